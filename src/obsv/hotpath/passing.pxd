# A call as CPython hands it on (PEP 590): the arguments as they lie on the caller's stack, and the names of the last of
# them. Interpreted, the twins stand in passing_plain.py.

cimport cython
from cpython.object cimport PyObject

cdef extern from *:
    """
    #include <stddef.h>
    #include <string.h>

    /* A level of recursion counts, as where CPython itself calls: it takes as much of the stack. */
    #define OBSV_DEEPER(result, call) \
        if (Py_EnterRecursiveCall(" while calling a Python object")) return NULL; \
        result = (call); \
        Py_LeaveRecursiveCall();

    static inline PyObject *obsv_pass_on(PyObject *function, PyObject *const *args, size_t count, PyObject *names) {
        PyObject *result;
        OBSV_DEEPER(result, PyObject_Vectorcall(function, args, count, names))
        return result;
    }

    static inline PyObject *obsv_pass_named(PyObject *function, PyObject *const *args, size_t count, PyObject *kwargs) {
        PyObject *result;
        OBSV_DEEPER(result, PyObject_VectorcallDict(function, args, count, kwargs))
        return result;
    }

    /* Where the argument of this name is; -1 where it was not given by name. Names are interned, nearly always. */
    static inline Py_ssize_t obsv_named(size_t count, PyObject *names, PyObject *name) {
        Py_ssize_t given = names == NULL ? 0 : PyTuple_GET_SIZE(names);
        for (Py_ssize_t i = 0; i < given; i++)
            if (PyTuple_GET_ITEM(names, i) == name) return PyVectorcall_NARGS(count) + i;
        for (Py_ssize_t i = 0; i < given; i++)
            if (PyUnicode_Compare(PyTuple_GET_ITEM(names, i), name) == 0) return PyVectorcall_NARGS(count) + i;
        return -1;
    }

    /* The argument at this place, or None. */
    static inline PyObject *obsv_placed(PyObject *const *args, size_t count, Py_ssize_t place) {
        return Py_NewRef(place < PyVectorcall_NARGS(count) ? args[place] : Py_None);
    }

    /* The argument of this name, or None. */
    static inline PyObject *obsv_by_name(PyObject *const *args, size_t count, PyObject *names, PyObject *name) {
        Py_ssize_t at = obsv_named(count, names, name);
        return Py_NewRef(at < 0 ? Py_None : args[at]);
    }

    static inline PyObject *obsv_positional(PyObject *const *args, size_t count, Py_ssize_t first) {
        Py_ssize_t given = PyVectorcall_NARGS(count) - first;
        PyObject *made = PyTuple_New(given < 0 ? 0 : given);
        if (made != NULL)
            for (Py_ssize_t i = 0; i < given; i++) PyTuple_SET_ITEM(made, i, Py_NewRef(args[first + i]));
        return made;
    }

    static inline PyObject *obsv_keywords(PyObject *const *args, size_t count, PyObject *names) {
        PyObject *made = PyDict_New();
        if (made != NULL && names != NULL)
            for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++)
                if (PyDict_SetItem(made, PyTuple_GET_ITEM(names, i), args[PyVectorcall_NARGS(count) + i]) < 0) {
                    Py_DECREF(made);
                    return NULL;
                }
        return made;
    }

    /* Call a function with two things and then with the arguments of these names, wherever they were put. Without one of
       them it is not called: None. Of the names, OBSV_WANTED count. */
    #define OBSV_WANTED 8
    static inline PyObject *obsv_call_with(
        PyObject *function, PyObject *one, PyObject *two, PyObject *wanted, Py_ssize_t first,
        PyObject *const *args, size_t count, PyObject *names
    ) {
        PyObject *given[2 + OBSV_WANTED] = {one, two};
        Py_ssize_t all = Py_MIN(PyTuple_GET_SIZE(wanted), OBSV_WANTED);
        for (Py_ssize_t i = 0; i < all; i++) {
            Py_ssize_t at = first + i < PyVectorcall_NARGS(count)
                ? first + i : obsv_named(count, names, PyTuple_GET_ITEM(wanted, i));
            if (at < 0) Py_RETURN_NONE;
            given[2 + i] = args[at];
        }
        return PyObject_Vectorcall(function, given, 2 + all, NULL);
    }

    /* As obsv_pass_on, with another value for an argument that was given by name. */
    #define OBSV_FEW 24 /* arguments that are copied without asking for memory */
    static inline PyObject *obsv_pass_with(
        PyObject *function, PyObject *const *args, size_t count, PyObject *names, PyObject *name, PyObject *value
    ) {
        PyObject *few[OBSV_FEW], **copy = few, *result;
        Py_ssize_t positional = PyVectorcall_NARGS(count), all = positional + (names ? PyTuple_GET_SIZE(names) : 0);
        Py_ssize_t at = obsv_named(count, names, name);
        if (at < 0 || args[at] == value) return obsv_pass_on(function, args, count, names);
        if (all > OBSV_FEW && (copy = PyMem_New(PyObject *, all)) == NULL) return PyErr_NoMemory();
        memcpy(copy, args, all * sizeof *copy);
        copy[at] = value;
        result = obsv_pass_on(function, copy, positional, names);
        if (copy != few) PyMem_Free(copy);
        return result;
    }

    /* The name of the function that the outermost line of a traceback is of; "" where it cannot be read. */
    static inline const char *obsv_function_of(PyObject *trace) {
        PyCodeObject *code = PyFrame_GetCode((PyFrameObject *)((PyTracebackObject *)trace)->tb_frame);
        const char *name = PyUnicode_AsUTF8(code->co_name);
        Py_DECREF(code); /* its frame has it too */
        if (name != NULL) return name;
        PyErr_Clear();
        return "";
    }

    /* Take out of the traceback of what was raised what Cython has put there for the function that is just being left: a
       line for each `except` and `raise` that it came through. They bear its whole name, with dots, as no function of
       Python's does. What other functions of ours are below stays: it is an error of theirs. */
    static inline void obsv_leave_no_trace(void) {
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        const char *left = trace != NULL && PyTraceBack_Check(trace) ? obsv_function_of(trace) : "";
        if (strncmp(left, "obsv.hotpath.", 13) == 0) {
            PyObject *below = trace;
            do below = (PyObject *)((PyTracebackObject *)below)->tb_next;
            while (below != NULL && strcmp(obsv_function_of(below), left) == 0);
            Py_XINCREF(below);
            Py_DECREF(trace);
            trace = below;
        }
        PyErr_Restore(type, value, trace);
    }

    /* What CPython calls. */
    static Py_ssize_t obsv_instead_at = 0; /* where a replacement has it; known in the module `passing` only */
    static inline PyObject *obsv_vectorcall(PyObject *made, PyObject *const *args, size_t count, PyObject *names) {
        vectorcallfunc instead = *(vectorcallfunc *)((char *)made + obsv_instead_at);
        PyObject *result = instead(made, args, count, names);
        if (result == NULL) obsv_leave_no_trace();
        return result;
    }

    /* Let the objects of a type be called without a tuple and a dict, and as methods without a bound one. */
    static inline void obsv_take_vectorcalls(PyObject *example, void *vectorcall, void *instead) {
        PyTypeObject *type = Py_TYPE(example);
        obsv_instead_at = (char *)instead - (char *)example;
        type->tp_vectorcall_offset = (char *)vectorcall - (char *)example;
        type->tp_call = PyVectorcall_Call;
        type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
        PyType_Modified(type);
    }
    """
    object pass_on "obsv_pass_on"(object function, PyObject *const *args, size_t count, PyObject *names)
    object pass_named "obsv_pass_named"(object function, PyObject *const *args, size_t count, dict kwargs)
    object pass_with "obsv_pass_with"(
        object function, PyObject *const *args, size_t count, PyObject *names, str name, object value
    )
    object placed "obsv_placed"(PyObject *const *args, size_t count, Py_ssize_t place)
    object named "obsv_by_name"(PyObject *const *args, size_t count, PyObject *names, str name)
    tuple positional "obsv_positional"(PyObject *const *args, size_t count, Py_ssize_t first)
    dict keywords "obsv_keywords"(PyObject *const *args, size_t count, PyObject *names)
    object call_with "obsv_call_with"(
        object function, object one, object two, tuple wanted, Py_ssize_t first,
        PyObject *const *args, size_t count, PyObject *names
    )
    object bound "PyMethod_New"(object function, object instance)
    ctypedef object (*vectorcallfunc)(object made, PyObject *const *args, size_t count, PyObject *names)
    object obsv_vectorcall(object made, PyObject *const *args, size_t count, PyObject *names)
    void obsv_take_vectorcalls(object example, void *vectorcall, void *instead)

# What is called in the function's place. The replacement says which function that is, and what was told beside it.
cdef class Replacement
ctypedef object (*Instead)(Replacement made, PyObject *const *args, size_t count, PyObject *names)

@cython.final
cdef class Replacement:
    cdef vectorcallfunc vectorcall
    cdef Instead instead
    cdef object function, told
    cdef dict __dict__
    cdef object __weakref__

@cython.locals(made=Replacement)
cdef object replacement(Instead instead, object function, object told)

cdef inline object argument(
    PyObject *const *args, size_t count, PyObject *names, Py_ssize_t place, str name
):
    value = placed(args, count, place)
    return named(args, count, names, name) if value is None else value

cdef inline take_vectorcalls(Replacement example):
    obsv_take_vectorcalls(example, &example.vectorcall, &example.instead)
