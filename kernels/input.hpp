#pragma once

#include <string>

#include "generate.hpp"

// The whole of a regular file. Throws Failure (exit 2) that names it.
Bytes read_input(const std::string& path);
