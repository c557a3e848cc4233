cimport cython

from obsv.hotpath._native cimport obsv_slots
from obsv.hotpath.queue cimport BoundedQueue
from obsv.hotpath.readable cimport Readable

@cython.final
cdef class Outlet:
    cdef public object queues, ambient, sampler, resource, governor, keeper, listener, owner, watcher, measured
    cdef public bint enabled, time_ids, sample_all, ignore_parent
    cdef public unsigned long long threshold
    cdef public Py_ssize_t max_attributes, max_length, max_events, max_links, few, short
    cdef public Py_ssize_t max_event_attributes, max_event_length, max_link_attributes

@cython.final
cdef class Scope:
    cdef public object name, version, schema_url, attributes, encoded, shown
    cdef public bint by_api
    cdef public Outlet outlet

@cython.final
cdef class LocalTrace:
    cdef public list spans
    cdef public dict contexts
    cdef public unsigned long long root64
    cdef public long long offset
    cdef public Py_ssize_t size
    cdef public bint closed
    cdef public int fate
    cdef public object state

@cython.final
cdef class Entry:
    cdef public object operation

@cython.final
cdef class Remote:
    cdef public unsigned long long trace_hi, trace_lo, id64
    cdef public int flags
    cdef public bint decided, asked
    cdef public object tracestate, base, context

@cython.final
cdef class Span(Readable):
    cdef public object name, tracestate, status_message, base, entry, token, known_context, parent_context
    cdef public dict told
    cdef obsv_slots slots
    cdef public list event_list, link_list
    cdef public unsigned long long trace_hi, trace_lo, id64, parent64
    cdef public long long start_ns, end_ns, start_given, offset
    cdef public Scope scope
    cdef public LocalTrace trace
    cdef public int flags, dropped_attributes, dropped_events, dropped_links, generation
    cdef public signed char kind_value, status_value, quiet
    cdef public bint parent_remote, recording, started, ended
    cdef object __weakref__

    cdef _set_up(self, Scope scope, object name, int kind)
    cpdef set_attribute(self, key, value)
    @cython.locals(index=Py_ssize_t)
    cpdef set_facts(self, tuple facts)
    @cython.locals(queue=BoundedQueue, measured=BoundedQueue)
    cpdef end(self, end_time=*)
    cpdef begin(self, parent)
    @cython.locals(span=Span)
    cdef _measure(self, parent)
    cpdef enter(self)
    cpdef leave(self, error)
    cdef Py_ssize_t held(self)
    cdef _child(self, Span parent)
    cpdef join(self, Span parent)
    cpdef wait(self, Span parent)
    cdef _share(self, LocalTrace trace)
    @cython.locals(size=Py_ssize_t, span=Span, queue=BoundedQueue, alone=BoundedQueue)
    cdef _finish_unsampled(self, LocalTrace trace, Outlet outlet)
    cdef _judge(self, Outlet outlet, bint sampled)
    cpdef append(self, key, value)
    cdef LocalTrace _gather(self)
    cdef _start_trace(self, Outlet outlet)
    @cython.locals(size=Py_ssize_t, count=Py_ssize_t, queue=BoundedQueue, late=BoundedQueue)
    cdef _finish_in(self, LocalTrace trace, Outlet outlet)
    cdef _decide_anew(self, Outlet outlet)
    cdef bint _sample(self, Outlet outlet)
    cdef _begin_below(self, Outlet outlet, parent)
    @cython.locals(now=cython.longlong)
    cdef _new_local(self)
    cdef _set_slowly(self, key, value)
    cpdef fail(self, error)
    cdef _fail(self, error, escaped)
    cdef _note_failure(self, error, escaped)

@cython.locals(made=Span)
cpdef Span new_span(Scope scope, object name, int kind)
cpdef current()
cpdef Span current_span()
cpdef attach(state)
cpdef detach(token)
