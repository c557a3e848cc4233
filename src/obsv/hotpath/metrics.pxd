cimport cython

@cython.final
cdef class Meter:
    cdef public bint enabled, fine
    cdef public Py_ssize_t max_series
    cdef public dict instruments
    cdef public list sources
    cdef public object lock, starter, boundaries, observe, teller

@cython.final
cdef class CounterCell:
    cdef public dict attributes
    cdef public object owner, value, seen
    cpdef add(self, value)

@cython.final
cdef class GaugeCell:
    cdef public dict attributes
    cdef public object owner, value
    cpdef set(self, value)

@cython.final
cdef class HistogramCell:
    cdef public dict attributes, buckets, negative
    cdef public list raw, bounded
    cdef public tuple bounds
    cdef public long count, zero
    cdef public object owner, sum, min, max, lock
    cpdef record(self, value)
    @cython.locals(index=long, exact=double, low=double, high=double, total=double)
    cpdef fold(self)

cdef class Instrument:
    cdef public object name, unit, description, kind, boundaries
    cdef public object scope
    cdef public Meter meter
    cdef public dict cells, series
    cdef public object overflow
    cdef public long start_ns, since_ns, resolution
    cpdef object cell(self, dict attributes)

@cython.locals(exact=double, whole=cython.longlong)
cdef bint plain(value, double least)

@cython.locals(exponent=int, fraction=double, position=double, index=long)
cpdef long bucket(double value)

cdef object _cell(Instrument made, dict attributes)
@cython.locals(counter=CounterCell)
cdef int _add(Instrument made, dict dimensions, value) except -1
@cython.locals(gauge=GaugeCell)
cdef int _set(Instrument made, dict dimensions, value) except -1
@cython.locals(histogram=HistogramCell)
cdef int _record(Instrument made, dict dimensions, value) except -1
