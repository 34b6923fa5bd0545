// CIM_API marks what the shared library exports, CIM_HIDDEN the parts of a class that it does not.
#pragma once

#define CIM_API __attribute__((visibility("default")))
#define CIM_HIDDEN __attribute__((visibility("hidden")))
