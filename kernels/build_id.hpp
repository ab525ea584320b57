// Which binary this is.
#pragma once

#include <string>

// The linker's hash over the running program (--build-id), in hexadecimal; empty if it has none.
std::string build_id();
