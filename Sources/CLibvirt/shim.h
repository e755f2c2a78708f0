#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include "../CLibraries/library.h"

/* The functions that Stemma uses. */
#define STEMMA_LIBVIRT_LIBRARY(F)      \
    F(virConnectBaselineHypervisorCPU) \
    F(virConnectClose)                 \
    F(virConnectCompareHypervisorCPU)  \
    F(virConnectGetCapabilities)       \
    F(virConnectGetDomainCapabilities) \
    F(virConnectOpen)                  \
    F(virDomainDefineXMLFlags)         \
    F(virDomainFree)                   \
    F(virDomainGetXMLDesc)             \
    F(virDomainIsActive)               \
    F(virDomainLookupByName)           \
    F(virEventRegisterDefaultImpl)     \
    F(virGetLastErrorCode)             \
    F(virGetLastErrorMessage)          \
    F(virGetVersion)                   \
    F(virSetErrorFunc)

STEMMA_LIBRARY(libvirt_library, STEMMA_LIBVIRT_LIBRARY)
