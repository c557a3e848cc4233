# The few primitives that are one C expression each: the clocks, the id generator and context variables.
# Interpreted, their twins stand in _native_py.py.

cdef extern from *:
    """
    #include <stdint.h>
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
    """
    long long monotonic_ns "obsv_monotonic_ns"() noexcept nogil
    long long time_ns "obsv_time_ns"() noexcept nogil
    unsigned long long next_id "obsv_next_id"() noexcept nogil
    void seed "obsv_seed"(unsigned long long, unsigned long long) noexcept nogil
    object context_get "obsv_context_get"(object variable)
    object context_set "PyContextVar_Set"(object variable, object value)
    int context_reset "PyContextVar_Reset"(object variable, object token) except -1
