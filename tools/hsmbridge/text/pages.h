#pragma once

#include "tools/commandline/command.h"

#include <vector>

namespace hsmbridge::cli {

// The pages of reference that `hsmbridge help TOPIC` prints: the files of pages/, Markdown of at most 80 columns outside
// its examples, built into the program. The name of a topic is its file's, its summary stands in its first line,
// "# TOPIC: SUMMARY".
// In the order of their names.
const std::vector<commandline::Topic>& pages();

}  // namespace hsmbridge::cli
