cimport cython

from obsv.hotpath.span cimport Span

cpdef int bucket_of(long long duration)

@cython.final
cdef class Share:
    cdef public long long second, threshold
    cdef public Py_ssize_t came, taken, turn, owed
    cdef public double chance

@cython.final
cdef class Budget:
    cdef public long long second
    cdef public Py_ssize_t most, over, taken, active, asked
    cpdef bint admit(self, Share share, long long random, long long second)
    cdef _renew(self, Share share, long long second)
    @cython.locals(weight=double)
    cpdef double after(self, Share share) except -1
    cdef _set(self, Share share, double chance)

@cython.final
cdef class Route:
    cdef unsigned int counts[256]
    cdef public long long seen
    cdef public Py_ssize_t total, fresh
    cdef public int limit
    cdef public tuple shares
    @cython.locals(found=int, slow=bint)
    cpdef bint note(self, long long duration, double quantile, Py_ssize_t least)
    @cython.locals(index=int, below=Py_ssize_t, total=Py_ssize_t, wanted=double)
    cdef _learn(self, double quantile)

@cython.final
cdef class Keeper:
    cdef public Budget budget
    cdef public double quantile, weight
    cdef public Py_ssize_t least
    cdef public long long unseen
    cdef public list kept
    cdef public object watch
    cdef public dict routes
    cdef public Route others
    @cython.locals(now=cython.longlong, rare=bint, failed=bint, reason=int)
    cpdef judge(self, Span root, bint sampled)
    cdef _weigh(self, Span root)
    @cython.locals(budget=Budget, threshold=cython.longlong)
    cdef _keep(self, Span root, Share share, int reason, long long now)
    cdef Route _new_route(self, name, long long now)
