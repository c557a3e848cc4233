# All objects: what a foreign logger gave may be of any type and size.
cdef class LogRecord:
    cdef public object time_ns, level, body, logger, fields, severity, trace_hi, trace_lo, id64, flags
    cdef public object error, code, observed_ns, timed, event_name, scope, dropped, max_length
