cimport cython
from obsv.hotpath.records cimport LogRecord
from obsv.hotpath.span cimport Span

@cython.locals(record=LogRecord)
cpdef LogRecord new_record(severity, level, body, logger, fields)

@cython.locals(span=Span)
cpdef take_ids(LogRecord record, state)

cdef class Guard:
    cdef public object make, modules
    cdef public Guard made

    @cython.locals(made=Guard)
    cdef _record(self, LogRecord record)

cdef class Emitter:
    cdef public Guard guard
    cdef public tuple immediate
    cdef public bint queued
    cdef public object through
    cdef public dict waiting

    @cython.locals(record=LogRecord)
    cpdef log(self, severity, level, msg, logger, bound, dict fields)
    cpdef emit(self, record)
    cdef _later(self, record)
    cdef _deliver(self, item)
    cpdef hand_on(self, record)
    cpdef release(self, record)
    cdef _write(self, record, bint held)

@cython.final
cdef class Buffer:
    cdef unsigned char* data
    cdef Py_ssize_t size, capacity

    cdef unsigned char* room(self, Py_ssize_t more) except NULL
    @cython.locals(data=cython.p_const_char)
    cdef int raw(self, str text) except -1
    @cython.locals(data=cython.p_const_char, at=cython.p_uchar)
    cdef int literal(self, str text) except -1
    cdef int value(self, value) except -1

cdef class Lines:
    cdef public dict keys, names
    cdef public str constant
    cdef public Py_ssize_t longest
    cdef public bint xray
    cdef Buffer spare
    cdef long long _second
    cdef str _second_text
    cdef object _ids

    @cython.locals(out=Buffer)
    cpdef str line(self, LogRecord record)
    @cython.locals(out=Buffer)
    cpdef bytes data(self, LogRecord record)
    cdef int _done(self, Buffer out) except -1
    @cython.locals(out=Buffer, seconds=cython.longlong, thousandths=int, at=cython.p_uchar)
    cdef Buffer _written(self, LogRecord record)
    @cython.locals(at=cython.p_uchar)
    cdef int _xray(self, Buffer out, LogRecord record) except -1
    @cython.locals(told=dict)
    cdef int _fields(self, Buffer out, fields) except -1
    cdef str _text(self, LogRecord record)

cdef class Direct:
    cdef public object stream
    cdef public double patience
    cdef object _known, _fileno

    @cython.locals(fd=int, shared=int)
    cpdef put(self, bytes line)
    @cython.locals(taken=cython.Py_ssize_t)
    cdef _put(self, int fd, int shared, bytes line)

cdef class LineSink:
    cdef public Lines _lines
    cdef public Direct _writer
    cdef public double patience
    cdef public Py_ssize_t sent

    cpdef write(self, LogRecord record)
