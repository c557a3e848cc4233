cimport cython

@cython.locals(data=cython.p_const_char, start=cython.p_uchar)
cpdef quote(text)
