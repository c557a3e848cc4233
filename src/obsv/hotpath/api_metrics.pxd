cimport cython
from obsv.hotpath.metrics cimport Instrument, Meter

@cython.final
cdef class SumCell:
    cdef public dict attributes
    cdef public object owner, value, seen
    cdef public long round
    cdef public bint news
    cpdef add(self, value)
    cpdef observe(self, value, long turn)

cdef class ApiInstrument(Instrument):
    cdef public object plain, twin
    cdef public bint observed, on
    cpdef find(self, attributes)
