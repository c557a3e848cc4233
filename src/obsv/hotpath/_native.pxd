# The few primitives that are one C expression each: the clocks, the id generator, context variables and attribute slots.
# Interpreted, their twins stand in _native_py.py.

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #include <time.h>

    static inline long long obsv_clock(clockid_t id) {
        struct timespec now;
        clock_gettime(id, &now);
        return (long long)now.tv_sec * 1000000000LL + now.tv_nsec;
    }
    #define obsv_monotonic_ns() obsv_clock(CLOCK_MONOTONIC)
    #define obsv_time_ns() obsv_clock(CLOCK_REALTIME)

    /* xoroshiro128++ 1.0 by David Blackman and Sebastiano Vigna (public domain algorithm). The GIL guards the state. */
    static uint64_t obsv_s0 = 1, obsv_s1 = 2;
    static inline uint64_t obsv_rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
    static inline unsigned long long obsv_next_id(void) {
        uint64_t a = obsv_s0, b = obsv_s1, result = obsv_rotl(a + b, 17) + a;
        b ^= a;
        obsv_s0 = obsv_rotl(a, 49) ^ b ^ (b << 21);
        obsv_s1 = obsv_rotl(b, 28);
        return result ? result : 1;
    }
    static inline void obsv_seed(unsigned long long a, unsigned long long b) {
        obsv_s0 = a;
        obsv_s1 = b | 1; /* both zero would stay zero for ever */
    }

    static inline PyObject *obsv_context_get(PyObject *variable) {
        PyObject *value = NULL;
        if (PyContextVar_Get(variable, Py_None, &value) < 0) return NULL;
        return value;
    }

    /* Attributes of a span: the first few lie in the span itself. Only exact str, int, float and bool values come in, so
       nothing here can be part of a reference cycle or run code of the user's. */
    #define OBSV_SLOTS 12
    typedef struct {
        int held;
        PyObject *pairs[2 * OBSV_SLOTS];
    } obsv_slots;

    static inline Py_hash_t obsv_hash(PyObject *text) { /* of an exact str: never fails */
        Py_hash_t known = ((PyASCIIObject *)text)->hash;
        return known != -1 ? known : PyObject_Hash(text);
    }
    /* Is this what may be kept as it is: a key that is not empty, and a plain value of a bounded length? */
    static inline int obsv_plain(PyObject *key, PyObject *value, Py_ssize_t longest) {
        PyTypeObject *type = Py_TYPE(value);
        if (!PyUnicode_CheckExact(key) || PyUnicode_GET_LENGTH(key) == 0) return 0;
        if (type == &PyUnicode_Type) return PyUnicode_GET_LENGTH(value) <= longest;
        return type == &PyLong_Type || type == &PyFloat_Type || type == &PyBool_Type;
    }
    /* 1: stored, 0: there is no room. A key that is there keeps its place. */
    static inline int obsv_slots_put(obsv_slots *slots, PyObject *key, PyObject *value, Py_ssize_t most) {
        PyObject **pair = slots->pairs, **end = pair + 2 * slots->held;
        Py_hash_t hash = obsv_hash(key);
        for (; pair < end; pair += 2) {
            if (pair[0] == key ||
                (((PyASCIIObject *)pair[0])->hash == hash && PyUnicode_Compare(pair[0], key) == 0)) {
                PyObject *before = pair[1];
                pair[1] = Py_NewRef(value);
                Py_DECREF(before);
                return 1;
            }
        }
        if (slots->held >= OBSV_SLOTS || slots->held >= most) return 0;
        pair[0] = Py_NewRef(key);
        pair[1] = Py_NewRef(value);
        slots->held++;
        return 1;
    }
    static inline void obsv_slots_clear(obsv_slots *slots) {
        int index = 2 * slots->held;
        slots->held = 0;
        while (index) Py_DECREF(slots->pairs[--index]);
    }
    static inline int obsv_slots_copy(obsv_slots *slots, PyObject *told) { /* into a dict */
        for (int index = 0; index < slots->held; index++)
            if (PyDict_SetItem(told, slots->pairs[2 * index], slots->pairs[2 * index + 1]) < 0) return -1;
        return 0;
    }
    #define obsv_slots_get(slots, index) Py_NewRef((slots)->pairs[index])

    /* Protobuf: each writes at a place with room enough and returns the place behind. Little-endian CPUs only. */
    static inline unsigned char *obsv_put_varint(unsigned char *at, unsigned long long value) {
        while (value >= 0x80) {
            *at++ = (unsigned char)(value | 0x80);
            value >>= 7;
        }
        *at++ = (unsigned char)value;
        return at;
    }
    static inline int obsv_varint_size(unsigned long long value) {
        return (70 - __builtin_clzll(value | 1)) / 7;
    }
    static inline unsigned char *obsv_put_bytes(unsigned char *at, const void *data, Py_ssize_t length) {
        memcpy(at, data, length);
        return at + length;
    }
    static inline unsigned char *obsv_put_eight(unsigned char *at, const void *data) {
        memcpy(at, data, 8);
        return at + 8;
    }
    static inline unsigned char *obsv_put_big(unsigned char *at, uint64_t value) {
        value = __builtin_bswap64(value);
        memcpy(at, &value, 8);
        return at + 8;
    }
    /* The text as UTF-8, or NULL without an exception where it has none (half a surrogate pair). For an exact str. */
    static inline const char *obsv_utf8(PyObject *text, Py_ssize_t *length) {
        if (PyUnicode_IS_COMPACT_ASCII(text)) {
            *length = PyUnicode_GET_LENGTH(text);
            return (const char *)PyUnicode_DATA(text);
        }
        const char *data = PyUnicode_AsUTF8AndSize(text, length);
        if (!data) PyErr_Clear();
        return data;
    }
    /* Does it fit into 64 bits? 1 and the number, or 0. For an exact int. */
    static inline int obsv_small(PyObject *number, long long *value) {
        int overflow;
        *value = PyLong_AsLongLongAndOverflow(number, &overflow);
        return !overflow;
    }
    """
    ctypedef struct obsv_slots:
        int held
    bint plain "obsv_plain"(object key, object value, Py_ssize_t longest) noexcept
    bint slots_put "obsv_slots_put"(obsv_slots *slots, object key, object value, Py_ssize_t most) noexcept
    void slots_clear "obsv_slots_clear"(obsv_slots *slots) noexcept
    int slots_copy "obsv_slots_copy"(obsv_slots *slots, dict told) except -1
    object slots_get "obsv_slots_get"(obsv_slots *slots, int index)
    void untrack "PyObject_GC_UnTrack"(object made) noexcept
    long long monotonic_ns "obsv_monotonic_ns"() noexcept nogil
    long long time_ns "obsv_time_ns"() noexcept nogil
    unsigned long long next_id "obsv_next_id"() noexcept nogil
    void seed "obsv_seed"(unsigned long long, unsigned long long) noexcept nogil
    object context_get "obsv_context_get"(object variable)
    object context_set "PyContextVar_Set"(object variable, object value)
    int context_reset "PyContextVar_Reset"(object variable, object token) except -1
    unsigned char *put_varint "obsv_put_varint"(unsigned char *at, unsigned long long value) noexcept
    int varint_size "obsv_varint_size"(unsigned long long value) noexcept
    unsigned char *put_bytes "obsv_put_bytes"(unsigned char *at, const void *data, Py_ssize_t length) noexcept
    unsigned char *put_eight "obsv_put_eight"(unsigned char *at, const void *data) noexcept
    const char *utf8_of "obsv_utf8"(object text, Py_ssize_t *length) noexcept
    unsigned char *put_big "obsv_put_big"(unsigned char *at, unsigned long long value) noexcept
    bint small "obsv_small"(object number, long long *value) noexcept
