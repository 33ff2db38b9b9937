#pragma once

#include "service/actor.h"

namespace hsmbridge::cli {

// The first thing that the program does: what it inherits from whoever started it must not change what it does, and
// nobody shall find its secrets in a core file or read them out of its memory.
//  - Standard input, output and error are open: a file that is opened later would get their numbers, and messages.
//  - SIGCHLD has its default meaning and no signal is blocked. Some supervisors and interpreters ignore SIGCHLD, which
//    programs inherit: then nobody learns how a hook ended.
//  - No core file, and no ptrace(2) by another process of the same user (PR_SET_DUMPABLE).
// Exits with 1 when /dev/null cannot be opened.
void settle_process() noexcept;

// Who runs this process, as the operating system knows it: "uid:alice", the number when the user has no name.
service::Actor actor_of_process();

}  // namespace hsmbridge::cli
