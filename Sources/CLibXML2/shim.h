#include <libxml/xmlversion.h>
/* Foundation has an ICU of its own, whose types are defined differently; two definitions of one type are an error. Nothing here
   uses libxml2's converters, the only part that needs ICU. */
#undef LIBXML_ICU_ENABLED
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xpath.h>
#include "../CLibraries/library.h"

/* The functions that Stemma uses. */
#define STEMMA_XML_LIBRARY(F) \
    F(xmlDocGetRootElement)   \
    F(xmlFreeDoc)             \
    F(xmlGetLastError)        \
    F(xmlNodeListGetString)   \
    F(xmlReadMemory)          \
    F(xmlResetLastError)

STEMMA_LIBRARY(xml_library, STEMMA_XML_LIBRARY)
