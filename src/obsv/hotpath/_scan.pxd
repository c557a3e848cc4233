# Does a text hold anything that may have to be masked? One pass over its bytes; what it finds is looked at by the rules in
# `obsv.redaction`. It may err on one side only: what the rules would mask, it finds. Interpreted, its twin stands in
# masking.py.
#
# The table: for each byte whether it is worth a look, then for each hash of the last letters of a name a bit for each
# number of letters (`obsv.redaction.names.table`).

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #define OBSV_TAIL 6
    #define OBSV_HASHES 8191

    static inline unsigned char obsv_lower(unsigned char c) {
        return c >= 'A' && c <= 'Z' ? c | 32 : c == '-' ? '_' : c;
    }
    static inline int obsv_alnum(unsigned char c) {
        return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    }
    static inline int obsv_number(unsigned char c) { return c >= '0' && c <= '9'; }

    static inline int obsv_filling(unsigned char c) {
        return c == ' ' || c == '\\t' || c == '"' || c == '\\'' || c == '\\\\' || c == ']' || c == '_' || c == '-' || c == '.' ||
               obsv_number(c);
    }
    /* Does the text before `end` end like a name whose values are secret? Between the two may be quotes. */
    static inline int obsv_named(const unsigned char *start, const unsigned char *end, const unsigned char *table) {
        uint32_t hash = 0;
        int length = 0, before = 0;
        for (; end > start; end--) {
            unsigned char c = end[-1];
            if (!obsv_filling(c)) break;
        }
        while (end > start && length < OBSV_TAIL) {
            unsigned char c = obsv_lower(*--end);
            if (c == '_' && before == '_') continue;
            if (!((c >= 'a' && c <= 'z') || c == '_')) return 0;
            before = c;
            hash = hash * 33 + c;
            length++;
            if (table[256 + hash % OBSV_HASHES] >> length & 1) return 1;
        }
        return 0;
    }
    static inline int obsv_before(const unsigned char *start, const unsigned char *at, const char *word) {
        Py_ssize_t length = (Py_ssize_t)strlen(word);
        return at - start >= length && memcmp(at - length, word, length) == 0;
    }
    static inline int obsv_after(const unsigned char *at, const unsigned char *end, const char *word) {
        Py_ssize_t length = (Py_ssize_t)strlen(word);
        return end - at > length && memcmp(at + 1, word, length) == 0;
    }
    static inline const unsigned char *obsv_option(const unsigned char *at, const unsigned char *end) { /* --password hunter2 */
        while (at < end && (obsv_alnum(*at) || *at == '_' || *at == '-' || *at == '.')) at++;
        return at;
    }
    /* "://" with an "@" before the path */
    static inline int obsv_user(const unsigned char *at, const unsigned char *end) {
        for (; at < end && *at != '/' && *at != '?' && *at != '#' && *at > ' '; at++)
            if (*at == '@') return 1;
        return 0;
    }
    /* So many digits, with one blank or hyphen between two of them at the most, as cards have? */
    static inline int obsv_digits(const unsigned char *at, const unsigned char *end) {
        int count = 0, apart = 0;
        for (; at < end; at++) {
            if (obsv_number(*at)) {
                if (++count == 14) return 1;
                apart = 0;
            } else if ((*at == ' ' || *at == '-') && !apart) apart = 1;
            else return 0;
        }
        return 0;
    }
    static inline int obsv_suspicious(const char *text, Py_ssize_t length, const char *given) {
        const unsigned char *start = (const unsigned char *)text, *end = start + length, *at = start;
        const unsigned char *table = (const unsigned char *)given;
        const unsigned char *option = start; /* where the last one ends: one that begins before ends there too */
        for (; at < end; at++) {
            if (!table[*at]) continue;
            switch (*at) {
            case ':':
                if (table[':'] & 1 && obsv_named(start, at, table)) return 1;
                if (table[':'] & 2 && obsv_after(at, end, "//") && obsv_user(at + 3, end)) return 1;
                break;
            case '=':
                if (obsv_named(start, at, table)) return 1;
                break;
            case '@': return 1;
            case 'J':
                if (obsv_before(start, at, "ey")) return 1;
                break;
            case 'I':
                if (obsv_after(at, end, "A") && (obsv_before(start, at, "AK") || obsv_before(start, at, "AS"))) return 1;
                if (obsv_after(at, end, "za") && obsv_before(start, at, "A")) return 1;
                break;
            case '_':
                if (at - start >= 3 && at[-3] == 'g' && at[-2] == 'h') return 1;
                if (at - start >= 2 && at[-1] == 'k' && (at[-2] == 's' || at[-2] == 'r')) return 1;
                if (obsv_before(start, at, "whsec") || obsv_before(start, at, "npm") || obsv_before(start, at, "hf")) return 1;
                if (obsv_before(start, at, "github_pat") || obsv_before(start, at, "shpat")) return 1;
                break;
            case '-':
                if (obsv_after(at, end, "----BEGIN")) return 1;
                if (table['-'] & 1 && at >= option && (at == start || at[-1] != '-') && obsv_after(at, end, "-")) {
                    option = obsv_option(at + 2, end);
                    if (option < end && obsv_named(start, option, table)) return 1;
                }
                if (at - start >= 4 && at[-4] == 'x' && at[-3] == 'o' && at[-2] == 'x') return 1;
                if (obsv_before(start, at, "sk") || obsv_before(start, at, "glpat") || obsv_before(start, at, "pypi")) return 1;
                break;
            case '.':
                if (obsv_before(start, at, "SG") || obsv_before(start, at, "ya29")) return 1;
                break;
            case '/':
                if (obsv_before(start, at, "services") || obsv_before(start, at, "webhooks")) return 1;
                break;
            case 'B': case 'b':
                if (end - at > 6 && ((at[1] | 32) == 'e' || (at[1] | 32) == 'a')) {
                    if ((at[2] | 32) == 'a' && (at[3] | 32) == 'r' && (at[4] | 32) == 'e' && (at[5] | 32) == 'r') return 1;
                    if ((at[2] | 32) == 's' && (at[3] | 32) == 'i' && (at[4] | 32) == 'c' && at[5] <= ' ') return 1;
                }
                break;
            default: /* a digit that a card begins with */
                if (at > start && (obsv_alnum(at[-1]) || at[-1] == '.' || at[-1] == '_')) break;
                if (obsv_digits(at, end)) return 1;
            }
        }
        return 0;
    }
    """
    bint suspicious "obsv_suspicious"(const char *text, Py_ssize_t length, const char *table) noexcept
