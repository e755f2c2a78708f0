#include <libxml/xmlversion.h>
/* Foundation has an ICU of its own, whose types are defined differently; two definitions of one type are an error. Nothing here
   uses libxml2's converters, the only part that needs ICU. */
#undef LIBXML_ICU_ENABLED
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xpath.h>
