cimport cython

from obsv.hotpath.loglines cimport Guard
from obsv.hotpath.records cimport LogRecord
from obsv.hotpath.span cimport Span

cdef class Masker(Guard):
    cdef public dict names
    cdef public bytes table
    cdef public bint always, numbers
    cdef public str mask

    @cython.locals(data=cython.p_const_char)
    cpdef bint suspects(self, str text) except -1
    cpdef str text(self, key, str text)
    cpdef value(self, key, value)
    cpdef pairs(self, pairs)
    cpdef record(self, LogRecord record)
    cpdef error(self, error)
    @cython.locals(index=int)
    cpdef span(self, Span span)
