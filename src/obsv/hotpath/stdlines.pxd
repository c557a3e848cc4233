cimport cython
from cpython.object cimport PyObject

from obsv.hotpath.around cimport Switch
from obsv.hotpath.loglines cimport Emitter, take_ids
from obsv.hotpath.passing cimport Replacement
from obsv.hotpath.records cimport LogRecord
from obsv.hotpath.span cimport Span

cdef class Intake:
    cdef Emitter _emitter
    cdef public object kind
    cdef public Py_ssize_t own
    cdef public frozenset not_fields
    cdef public dict severities, announced
    cdef public set other_ways
    cdef dict _taken

    cpdef bint take(self, record) except -1
    cdef bint _take(self, record, thread) except -1
    @cython.locals(made=LogRecord, members=dict)
    cpdef emit(self, record)
    cdef dict _members(self, record)
    @cython.locals(made=LogRecord, exact=cython.bint)
    cdef LogRecord _convert(self, record, dict members)
    @cython.locals(fields=dict, names=frozenset, skipped=cython.Py_ssize_t)
    cdef dict _fields(self, record, dict members)

cdef class Correlating:
    cdef public object previous, service
    cdef public bint active
    cdef unsigned long long _hi, _lo, _id
    cdef str _trace_text, _span_text

    @cython.locals(span=Span)
    cdef _ids(self, dict members, found)

@cython.locals(switch=Switch, ours=tuple)
cdef object _make_record(Replacement made, PyObject *const *args, size_t count, PyObject *names)
cdef bint _has_none(dict extra, tuple names) except -1
