cimport cython

from obsv.hotpath.loglines cimport Guard
from obsv.hotpath.records cimport LogRecord
from obsv.hotpath.span cimport Span

cdef class Masker(Guard):
    cdef public dict names
    cdef list recent, texts
    cdef public bytes table
    cdef public bint always, numbers
    cdef public str mask

    @cython.locals(data=cython.p_const_char)
    cdef bint _suspects(self, str text) except -1
    cdef _value(self, key, value)
    cdef _harmless(self, key, value)
    cdef _pairs(self, pairs)
    cdef _record(self, LogRecord record)
    @cython.locals(index=int)
    cdef _span(self, Span span)
