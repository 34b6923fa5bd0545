// CIM_API marks what the shared library exports.
#pragma once

#define CIM_API __attribute__((visibility("default")))
