from obsv.hotpath.span cimport Span, Scope
from obsv.hotpath.wire cimport Writer

cpdef write_span(Writer out, Span span)
