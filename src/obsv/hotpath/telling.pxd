cimport cython
from obsv.hotpath.loglines cimport Buffer, Direct
from obsv.hotpath.metrics cimport CounterCell, GaugeCell, HistogramCell, Instrument, Meter
from obsv.hotpath.queue cimport BoundedQueue
from obsv.hotpath.turn cimport Turn

cdef class Teller:
    cdef public Meter meter
    cdef public Direct writer
    cdef public Turn sending, collecting
    cdef public list queues, pendings, instruments, sizes, cells
    cdef public object account
    cdef public dict layouts, modules
    cdef public str unless
    cdef public bytes wanted
    cdef public long long until_ns
    cdef public double most
    cdef public Py_ssize_t longest
    cdef Buffer _flags, _values, _out
    cdef Py_ssize_t _count
    cdef Py_ssize_t _ends[101]

    @cython.locals(mine=list)
    cpdef bint tell(self)
    @cython.locals(queue=BoundedQueue)
    cdef bint _alone(self) except -1
    cdef bint _tell(self) except -1
    @cython.locals(made=Instrument, at=cython.Py_ssize_t)
    cdef bint _same(self) except -1
    @cython.locals(at=cython.p_uchar, news=int)
    cdef bint _read(self) except -1
    cdef int _news(self, cell) except -2
    @cython.locals(total=double, before=double, whole=cython.longlong, seen=cython.longlong)
    cdef int _counted(self, CounterCell cell) except -2
    cdef int _distributed(self, HistogramCell cell) except -2
    @cython.locals(whole=cython.longlong, exact=double)
    cdef bint _number(self, value) except -1
    @cython.locals(hole=cython.Py_ssize_t, start=cython.Py_ssize_t, length=cython.Py_ssize_t, piece=bytes, pieces=tuple, holes=tuple)
    cdef bint _write_text(self, tuple layout, long long now) except -1
    @cython.locals(made=Instrument, counter=CounterCell, gauge=GaugeCell, distribution=HistogramCell, at=cython.Py_ssize_t)
    cdef int _forget(self, long long now) except -1
