# The few primitives that are one C expression each: the clocks, the id generator, context variables and attribute slots.
# Interpreted, their twins stand in _native_py.py.

from cpython.object cimport PyObject

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #include <time.h>
    #include <poll.h>
    #include <unistd.h>

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

    static inline void obsv_pause(long nanoseconds) { /* less than a second; others have the interpreter meanwhile */
        struct timespec time = {0, nanoseconds};
        Py_BEGIN_ALLOW_THREADS
        nanosleep(&time, NULL);
        Py_END_ALLOW_THREADS
    }

    static inline PyObject *obsv_context_get(PyObject *variable) {
        PyObject *value = NULL;
        if (PyContextVar_Get(variable, Py_None, &value) < 0) return NULL;
        return value;
    }

    /* Attributes of a span: the first few lie in the span itself, some more, which few spans have, in a block beside it.
       Only exact str, int, float and bool values come in, so nothing here can be part of a reference cycle or run code of
       the user's. */
    #define OBSV_SLOTS 8
    #define OBSV_BLOCK 8
    typedef struct {
        int held;
        PyObject **block;
        PyObject *pairs[2 * OBSV_SLOTS];
    } obsv_slots;
    #define obsv_slot(slots, index) \
        ((index) < 2 * OBSV_SLOTS ? (slots)->pairs + (index) : (slots)->block + (index) - 2 * OBSV_SLOTS)

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
    static inline PyObject **obsv_find(PyObject **pair, int held, PyObject *key, Py_hash_t hash) {
        for (PyObject **end = pair + 2 * held; pair < end; pair += 2)
            if (pair[0] == key || (((PyASCIIObject *)pair[0])->hash == hash && PyUnicode_Compare(pair[0], key) == 0))
                return pair;
        return NULL;
    }
    /* 1: stored, 0: there is no room. A key that is there keeps its place. */
    static inline int obsv_slots_put(obsv_slots *slots, PyObject *key, PyObject *value, Py_ssize_t most) {
        Py_hash_t hash = obsv_hash(key);
        int held = slots->held;
        PyObject **pair = obsv_find(slots->pairs, held < OBSV_SLOTS ? held : OBSV_SLOTS, key, hash);
        if (!pair && held > OBSV_SLOTS) pair = obsv_find(slots->block, held - OBSV_SLOTS, key, hash);
        if (pair) {
            PyObject *before = pair[1];
            pair[1] = Py_NewRef(value);
            Py_DECREF(before);
            return 1;
        }
        if (held >= OBSV_SLOTS + OBSV_BLOCK || held >= most) return 0;
        if (held >= OBSV_SLOTS && !slots->block) {
            slots->block = PyMem_Malloc(2 * OBSV_BLOCK * sizeof(PyObject *));
            if (!slots->block) return 0;
        }
        pair = obsv_slot(slots, 2 * held);
        pair[0] = Py_NewRef(key);
        pair[1] = Py_NewRef(value);
        slots->held++;
        return 1;
    }
    /* Names and values in turn into slots that hold none yet, where all are plain; the names differ. 0: nothing is done. */
    static inline int obsv_slots_fill(obsv_slots *slots, PyObject *facts, Py_ssize_t longest, Py_ssize_t most) {
        if (facts == Py_None || slots->held) return 0;
        Py_ssize_t size = PyTuple_GET_SIZE(facts);
        PyObject **fact = &PyTuple_GET_ITEM(facts, 0), **end = fact + size;
        if (size & 1 || size > 2 * OBSV_SLOTS || size > 2 * most) return 0;
        for (; fact < end; fact += 2) {
            if (!obsv_plain(fact[0], fact[1], longest)) return 0;
            obsv_hash(fact[0]); /* it is compared later */
        }
        for (Py_ssize_t at = 0; at < size; at++) slots->pairs[at] = Py_NewRef(PyTuple_GET_ITEM(facts, at));
        slots->held = (int)(size / 2);
        return 1;
    }
    static inline void obsv_slots_clear(obsv_slots *slots) {
        int held = slots->held, near = held < OBSV_SLOTS ? held : OBSV_SLOTS;
        slots->held = 0;
        for (PyObject **at = slots->pairs, **end = at + 2 * near; at < end; at++) Py_DECREF(*at);
        for (int index = 0; index < 2 * (held - near); index++) Py_DECREF(slots->block[index]);
        if (slots->block) {
            PyMem_Free(slots->block);
            slots->block = NULL;
        }
    }
    static inline int obsv_slots_copy(obsv_slots *slots, PyObject *told) { /* into a dict */
        for (int index = 0; index < 2 * slots->held; index += 2) {
            PyObject **pair = obsv_slot(slots, index);
            if (PyDict_SetItem(told, pair[0], pair[1]) < 0) return -1;
        }
        return 0;
    }
    #define obsv_slots_get(slots, index) Py_NewRef(*obsv_slot(slots, index))

    /* Objects met before, each at the place that its address gives it: lists of OBSV_RECENT. A program's names and
       constants are the same objects each time. */
    #define OBSV_RECENT 256
    #define obsv_place(object) ((Py_ssize_t)((size_t)(object) >> 4 & (OBSV_RECENT - 1)))
    #define obsv_met(recent, object) (PyList_GET_ITEM(recent, obsv_place(object)) == (PyObject *)(object))
    static inline void obsv_meet(PyObject *recent, PyObject *object) {
        PyObject **place = &PyList_GET_ITEM(recent, obsv_place(object)), *before = *place;
        *place = Py_NewRef(object);
        Py_DECREF(before);
    }
    /* Can it be said without a closer look that there is nothing to hide in this attribute? */
    static inline int obsv_slot_harmless(obsv_slots *slots, int index, PyObject *names, PyObject *texts, int numbers) {
        PyObject **pair = obsv_slot(slots, 2 * index), *value = pair[1];
        PyTypeObject *type = Py_TYPE(value);
        if (!obsv_met(names, pair[0])) return 0;
        if (type == &PyUnicode_Type) return obsv_met(texts, value);
        if (type != &PyLong_Type || !numbers) return 1;
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
        return !overflow && number < 10000000000000LL; /* fewer digits than a card has */
    }

    /* The key of a set of dimensions: names and values in turn. */
    static inline PyObject *obsv_flat(PyObject *attributes) {
        PyObject *key = PyTuple_New(2 * PyDict_Size(attributes)), *name, *value;
        Py_ssize_t at = 0, position = 0;
        if (!key) return NULL;
        while (PyDict_Next(attributes, &position, &name, &value)) {
            PyTuple_SET_ITEM(key, at++, Py_NewRef(name));
            PyTuple_SET_ITEM(key, at++, Py_NewRef(value));
        }
        return key;
    }

    /* Protobuf: each writes at a place with room enough and returns the place behind. Little-endian CPUs only. */
    static inline unsigned char *obsv_put_varint(unsigned char *at, unsigned long long value) {
        while (value >= 0x80) {
            *at++ = (unsigned char)(value | 0x80);
            value >>= 7;
        }
        *at++ = (unsigned char)value;
        return at;
    }
    /* A bytes object that is written into before anybody else knows it. */
    static inline unsigned char *obsv_bytes_grow(PyObject **held, Py_ssize_t size) { /* NULL with an exception, and then
                                                                                        nothing is held */
        if (*held) {
            if (_PyBytes_Resize(held, size) < 0) return NULL;
        } else if (!(*held = PyBytes_FromStringAndSize(NULL, size))) return NULL;
        return (unsigned char *)PyBytes_AS_STRING(*held);
    }
    #define obsv_bytes_drop(held) Py_CLEAR(*(held))
    /* A large one keeps its memory until it is sent, though it fills only half of it: given back in part, it would come
       anew from the system for each batch, page by page (mallopt(3), M_MMAP_THRESHOLD: it grows to what is freed). */
    #define OBSV_LARGE 65536
    static inline PyObject *obsv_bytes_take(PyObject **held, Py_ssize_t size) {
        if (!*held) return PyBytes_FromStringAndSize(NULL, 0);
        if (size > OBSV_LARGE) {
            Py_SET_SIZE(*held, size);
            PyBytes_AS_STRING(*held)[size] = 0;
        } else if (size != PyBytes_GET_SIZE(*held) && _PyBytes_Resize(held, size) < 0) return NULL;
        PyObject *made = *held;
        *held = NULL;
        return made;
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
    /* What this thread is doing with log records. */
    static _Thread_local int obsv_doing_now;
    #define obsv_doing() obsv_doing_now
    #define obsv_do(what) (obsv_doing_now = (what))
    /* Where the entries of a dict end, for `PyDict_Next`. */
    static inline Py_ssize_t obsv_end(PyObject *members) {
        PyObject *key, *value;
        Py_ssize_t at = 0, end = 0;
        while (PyDict_Next(members, &at, &key, &value)) end = at;
        return end;
    }
    /* What a dict has from such a place on, as a new dict, without some names. A key of the user's may run code, so what
       is at hand is held. */
    static inline PyObject *obsv_added(PyObject *members, Py_ssize_t at, PyObject *names) {
        PyObject *key, *value, *made = PyDict_New();
        while (made && PyDict_Next(members, &at, &key, &value)) {
            Py_INCREF(key);
            Py_INCREF(value);
            int known = PySet_Contains(names, key);
            if (known < 0 || (!known && PyDict_SetItem(made, key, value) < 0)) Py_CLEAR(made);
            Py_DECREF(key);
            Py_DECREF(value);
        }
        return made;
    }
    /* Whether it is in `Logger.makeRecord` by way of ours. */
    static _Thread_local int obsv_making_now;
    #define obsv_making() obsv_making_now
    #define obsv_do_make(what) (obsv_making_now = (what))

    /* As `os.write`, of an exact bytes object, without looking why it failed. Others have the interpreter meanwhile: also a
       write to a file may take long. */
    static inline Py_ssize_t obsv_write_bytes(int fd, PyObject *data) {
        Py_ssize_t taken;
        Py_BEGIN_ALLOW_THREADS
        taken = write(fd, PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data));
        Py_END_ALLOW_THREADS
        return taken;
    }

    /* Does a write return at once: a file on disk, or a pipe with room for a page (Linux, pipe(7): PIPE_BUF)? */
    static inline int obsv_has_room(int fd) {
        struct pollfd asked = {fd, POLLOUT, 0};
        return poll(&asked, 1, 0) == 1 && asked.revents == POLLOUT;
    }

    /* JSON. Each writes at a place with room enough and returns the place behind. */
    #define OBSV_ONES 0x0101010101010101ULL
    #define OBSV_BELOW(x, n) (((x) - OBSV_ONES * (n)) & ~(x) & OBSV_ONES * 0x80) /* is a byte below n (at most 128)? */
    /* Must nothing of this be escaped: no quote, no backslash, no control character? */
    static inline int obsv_json_plain(const char *data, Py_ssize_t length) {
        uint64_t word;
        for (; length >= 8; data += 8, length -= 8) {
            memcpy(&word, data, 8);
            if (OBSV_BELOW(word, 32) | OBSV_BELOW(word ^ OBSV_ONES * '"', 1) | OBSV_BELOW(word ^ OBSV_ONES * '\\\\', 1))
                return 0;
        }
        for (; length > 0; data++, length--) {
            unsigned char c = (unsigned char)*data;
            if (c < 32 || c == '"' || c == '\\\\') return 0;
        }
        return 1;
    }
    static inline unsigned char *obsv_put_escaped(unsigned char *at, const char *data, Py_ssize_t length) {
        static const char hex[] = "0123456789abcdef";
        for (; length > 0; data++, length--) {
            unsigned char c = (unsigned char)*data;
            if (c >= 32 && c != '"' && c != '\\\\') { *at++ = c; continue; }
            *at++ = '\\\\';
            switch (c) {
                case '"': case '\\\\': *at++ = c; break;
                case '\\b': *at++ = 'b'; break;
                case '\\f': *at++ = 'f'; break;
                case '\\n': *at++ = 'n'; break;
                case '\\r': *at++ = 'r'; break;
                case '\\t': *at++ = 't'; break;
                default:
                    memcpy(at, "u00", 3);
                    at[3] = hex[c >> 4];
                    at[4] = hex[c & 15];
                    at += 5;
            }
        }
        return at;
    }
    static inline unsigned char *obsv_put_decimal(unsigned char *at, long long value) { /* up to 20 characters */
        unsigned char digits[20], *end = digits + 20, *first = end;
        unsigned long long left = (unsigned long long)value;
        if (value < 0) {
            *at++ = '-';
            left = 0 - left;
        }
        do {
            *--first = (unsigned char)('0' + left % 10);
            left /= 10;
        } while (left);
        memcpy(at, first, (size_t)(end - first));
        return at + (end - first);
    }
    static inline unsigned char *obsv_put_hex8(unsigned char *at, uint64_t digits) { /* 8 characters */
    #if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        digits = (digits & 0xFFFF) << 32 | digits >> 16; /* a digit a byte, the highest in the lowest one, all at once */
        digits = (digits & 0x000000FF000000FF) << 16 | (digits >> 8 & 0x000000FF000000FF);
        digits = (digits & 0x000F000F000F000F) << 8 | (digits >> 4 & 0x000F000F000F000F);
        uint64_t letters = (digits + 0x0606060606060606) >> 4 & 0x0101010101010101;
        digits += 0x3030303030303030 + letters * ('a' - '0' - 10);
        memcpy(at, &digits, 8);
    #else
        for (int place = 0; place < 8; place++) at[place] = (unsigned char)"0123456789abcdef"[digits >> (28 - 4 * place) & 15];
    #endif
        return at + 8;
    }
    static inline unsigned char *obsv_put_hex(unsigned char *at, unsigned long long value) { /* 16 characters */
        return obsv_put_hex8(obsv_put_hex8(at, value >> 32), value & 0xFFFFFFFF);
    }
    /* As `repr` writes it, up to 32 characters; NULL with an exception. What three decimals express exactly needs no search
       for the shortest text: two numbers of up to 15 digits are never the same double. */
    static inline unsigned char *obsv_put_double(unsigned char *at, double value) {
        double size = value < 0 ? -value : value;
        if (size >= 0.001 && size < 1e12) {
            long long thousandths = (long long)(size * 1000.0 + 0.5);
            if ((double)thousandths / 1000.0 == size) {
                int decimals = (int)(thousandths % 1000);
                if (value < 0) *at++ = '-';
                at = obsv_put_decimal(at, thousandths / 1000);
                *at++ = '.';
                *at++ = (unsigned char)('0' + decimals / 100);
                decimals %= 100;
                if (decimals) {
                    *at++ = (unsigned char)('0' + decimals / 10);
                    if (decimals % 10) *at++ = (unsigned char)('0' + decimals % 10);
                }
                return at;
            }
        }
        char *text = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
        if (!text) return NULL;
        size_t length = strlen(text);
        memcpy(at, text, length);
        PyMem_Free(text);
        return at + length;
    }
    /* The headers that carry a trace: W3C's traceparent and X-Ray's. */
    /* Is this a line of a request's head that carries a trace? For an exact bytes object. */
    static inline int obsv_begins(const char *text, const char *word) { /* word: lower case; whatever the locale */
        for (; *word; text++, word++)
            if ((*text >= 'A' && *text <= 'Z' ? *text | 32 : *text) != *word) return 0;
        return 1;
    }
    static inline int obsv_carries(PyObject *line) {
        const char *text = PyBytes_AS_STRING(line); /* ends with a zero byte */
        switch (*text | 32) {
            case 't': return obsv_begins(text, "traceparent:") || obsv_begins(text, "tracestate:");
            case 'x': return obsv_begins(text, "x-amzn-trace-id:");
        }
        return 0;
    }
    static inline int obsv_exactly(const char *text, Py_ssize_t length, const char *name, Py_ssize_t size) {
        return length == size && memcmp(text, name, size) == 0;
    }
    /* Is this the name of a header that carries a trace, in lower case: a str or bytes object? */
    static inline int obsv_tells(PyObject *name) {
        const char *text;
        Py_ssize_t length;
        if (PyBytes_Check(name)) {
            text = PyBytes_AS_STRING(name);
            length = PyBytes_GET_SIZE(name);
        } else if (PyUnicode_Check(name) && !PyUnicode_CheckExact(name)) {
            return PyUnicode_CompareWithASCIIString(name, "traceparent") == 0
                || PyUnicode_CompareWithASCIIString(name, "tracestate") == 0
                || PyUnicode_CompareWithASCIIString(name, "x-amzn-trace-id") == 0;
        } else if (PyUnicode_Check(name) && PyUnicode_IS_COMPACT_ASCII(name)) {
            text = (const char *)PyUnicode_1BYTE_DATA(name);
            length = PyUnicode_GET_LENGTH(name);
        } else
            return 0;
        if (*text == 't') return obsv_exactly(text, length, "traceparent", 11) || obsv_exactly(text, length, "tracestate", 10);
        return *text == 'x' && obsv_exactly(text, length, "x-amzn-trace-id", 15);
    }
    #define OBSV_TRACEPARENT 55 /* characters of the values */
    #define OBSV_XRAY 74
    static inline unsigned char *obsv_put_text(unsigned char *at, const char *text) {
        while (*text) *at++ = (unsigned char)*text++;
        return at;
    }
    /* Not inlined twelve times: code that runs once a request comes from memory each time, and a call is less to fetch. */
    static __attribute__((noinline, unused)) unsigned char *obsv_hex8(unsigned char *at, uint64_t digits) {
        return obsv_put_hex8(at, digits);
    }
    static inline unsigned char *obsv_hex(unsigned char *at, unsigned long long value) {
        return obsv_hex8(obsv_hex8(at, value >> 32), value & 0xFFFFFFFF);
    }
    static inline void obsv_put_traceparent(
            unsigned char *at, unsigned long long hi, unsigned long long lo, unsigned long long id, int flags) {
        at = obsv_hex(obsv_hex(obsv_put_text(at, "00-"), hi), lo);
        *at++ = '-';
        at = obsv_put_text(obsv_hex(at, id), "-0");
        *at = (unsigned char)('0' + (flags & 3));
    }
    static inline void obsv_put_xray(
            unsigned char *at, unsigned long long hi, unsigned long long lo, unsigned long long id, int flags) {
        at = obsv_hex8(obsv_put_text(at, "Root=1-"), hi >> 32);
        *at++ = '-';
        at = obsv_hex(obsv_hex8(at, hi & 0xFFFFFFFF), lo);
        at = obsv_hex(obsv_put_text(at, ";Parent="), id);
        obsv_put_text(at, flags & 1 ? ";Sampled=1" : ";Sampled=0");
    }
    static inline PyObject *obsv_traceparent(unsigned long long hi, unsigned long long lo, unsigned long long id, int flags) {
        PyObject *made = PyUnicode_New(OBSV_TRACEPARENT, 127);
        if (made) obsv_put_traceparent(PyUnicode_1BYTE_DATA(made), hi, lo, id, flags);
        return made;
    }
    static inline PyObject *obsv_xray(unsigned long long hi, unsigned long long lo, unsigned long long id, int flags) {
        PyObject *made = PyUnicode_New(OBSV_XRAY, 127);
        if (made) obsv_put_xray(PyUnicode_1BYTE_DATA(made), hi, lo, id, flags);
        return made;
    }
    /* traceparent, or X-Ray's header, as the line of a request's head, without its end. */
    static inline PyObject *obsv_head_line(
            int xray, unsigned long long hi, unsigned long long lo, unsigned long long id, int flags) {
        const char *name = xray ? "X-Amzn-Trace-Id: " : "traceparent: ";
        PyObject *made = PyBytes_FromStringAndSize(NULL, strlen(name) + (xray ? OBSV_XRAY : OBSV_TRACEPARENT));
        if (!made) return NULL;
        unsigned char *at = obsv_put_text((unsigned char *)PyBytes_AS_STRING(made), name);
        if (xray) obsv_put_xray(at, hi, lo, id, flags);
        else obsv_put_traceparent(at, hi, lo, id, flags);
        return made;
    }
    /* Has a class of the heap this name of its own; do two classes find the same under it? */
    static inline int obsv_class_has(PyObject *type, PyObject *name) {
        PyObject *members = PyType_Check(type) ? ((PyTypeObject *)type)->tp_dict : NULL;
        return members ? PyDict_Contains(members, name) : 0; /* built-in types keep theirs elsewhere since 3.12 */
    }
    static inline int obsv_class_same(PyObject *one, PyObject *other, PyObject *name) {
        return PyType_Check(one) && PyType_Check(other)
            && _PyType_Lookup((PyTypeObject *)one, name) == _PyType_Lookup((PyTypeObject *)other, name);
    }
    """
    ctypedef struct obsv_slots:
        int held
    bint plain "obsv_plain"(object key, object value, Py_ssize_t longest) noexcept
    bint slots_put "obsv_slots_put"(obsv_slots *slots, object key, object value, Py_ssize_t most) noexcept
    bint slots_fill "obsv_slots_fill"(obsv_slots *slots, tuple facts, Py_ssize_t longest, Py_ssize_t most) noexcept
    void slots_clear "obsv_slots_clear"(obsv_slots *slots) noexcept
    int slots_copy "obsv_slots_copy"(obsv_slots *slots, dict told) except -1
    object slots_get "obsv_slots_get"(obsv_slots *slots, int index)
    object flat "obsv_flat"(dict attributes)
    int RECENT "OBSV_RECENT"
    bint met "obsv_met"(list recent, object met) noexcept
    void meet "obsv_meet"(list recent, object met) noexcept
    bint slot_harmless "obsv_slot_harmless"(obsv_slots *slots, int index, list names, list texts, bint numbers) noexcept
    void untrack "PyObject_GC_UnTrack"(object made) noexcept
    long long monotonic_ns "obsv_monotonic_ns"() noexcept nogil
    long long time_ns "obsv_time_ns"() noexcept nogil
    unsigned long long next_id "obsv_next_id"() noexcept nogil
    void seed "obsv_seed"(unsigned long long, unsigned long long) noexcept nogil
    void pause "obsv_pause"(long nanoseconds) noexcept
    object context_get "obsv_context_get"(object variable)
    object context_set "PyContextVar_Set"(object variable, object value)
    int context_reset "PyContextVar_Reset"(object variable, object token) except -1
    unsigned char *put_varint "obsv_put_varint"(unsigned char *at, unsigned long long value) noexcept
    unsigned char *bytes_grow "obsv_bytes_grow"(PyObject **held, Py_ssize_t size) except NULL
    void bytes_drop "obsv_bytes_drop"(PyObject **held) noexcept
    bytes bytes_take "obsv_bytes_take"(PyObject **held, Py_ssize_t size)
    int varint_size "obsv_varint_size"(unsigned long long value) noexcept
    unsigned char *put_bytes "obsv_put_bytes"(unsigned char *at, const void *data, Py_ssize_t length) noexcept
    unsigned char *put_eight "obsv_put_eight"(unsigned char *at, const void *data) noexcept
    const char *utf8_of "obsv_utf8"(object text, Py_ssize_t *length) noexcept
    unsigned char *put_big "obsv_put_big"(unsigned char *at, unsigned long long value) noexcept
    bint carries "obsv_carries"(bytes line) noexcept
    str traceparent "obsv_traceparent"(unsigned long long hi, unsigned long long lo, unsigned long long id, int flags)
    str xray "obsv_xray"(unsigned long long hi, unsigned long long lo, unsigned long long id, int flags)
    bint tells "obsv_tells"(object name) noexcept
    bytes head_line "obsv_head_line"(
        bint xray, unsigned long long hi, unsigned long long lo, unsigned long long id, int flags)
    bint class_has "obsv_class_has"(object type, str name) except -1
    bint class_same "obsv_class_same"(object one, object other, str name) noexcept
    bint small "obsv_small"(object number, long long *value) noexcept
    Py_ssize_t write_bytes "obsv_write_bytes"(int fd, bytes data) noexcept
    bint has_room "obsv_has_room"(int fd) noexcept
    int doing "obsv_doing"() noexcept
    void do "obsv_do"(int what) noexcept
    Py_ssize_t end_of "obsv_end"(dict members) noexcept
    dict added "obsv_added"(dict members, Py_ssize_t at, frozenset names)
    int making "obsv_making"() noexcept
    void do_make "obsv_do_make"(int what) noexcept
    bint json_plain "obsv_json_plain"(const char *data, Py_ssize_t length) noexcept
    unsigned char *put_escaped "obsv_put_escaped"(unsigned char *at, const char *data, Py_ssize_t length) noexcept
    unsigned char *put_decimal "obsv_put_decimal"(unsigned char *at, long long value) noexcept
    unsigned char *put_hex "obsv_put_hex"(unsigned char *at, unsigned long long value) noexcept
    unsigned char *put_double "obsv_put_double"(unsigned char *at, double value) except NULL
