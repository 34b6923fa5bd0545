// CIM_API marks what the shared library exports, CIM_HIDDEN what of a class marked so it does not.
#pragma once

#define CIM_API __attribute__((visibility("default")))
#define CIM_HIDDEN __attribute__((visibility("hidden")))
