cimport cython
from cpython.object cimport PyObject

from obsv.hotpath.around cimport Switch
from obsv.hotpath.passing cimport Replacement
from obsv.hotpath.span cimport Span

@cython.locals(switch=Switch, span=Span, name=str)
cdef object _emit(Replacement made, PyObject *const *args, size_t count, PyObject *names)
@cython.locals(switch=Switch)
cdef object _prepare(Replacement made, PyObject *const *args, size_t count, PyObject *names)

@cython.locals(answer=dict)
cpdef answered(Span span, object parsed)
cdef dict _exact(object given)
cdef tuple _say(object meta)
cdef tuple _say_operation(tuple said, object operation)
cdef _set_parameters(Span span, object service, object operation, dict parameters)
cdef _note(Span span, dict known, dict given)
cdef list _tables(dict parameters)
@cython.locals(said=tuple, facts=tuple, operations=dict, given=dict)
cdef tuple _describe(Span span, object meta, object operation, object parameters, object receiving)
