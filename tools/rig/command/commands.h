#pragma once

#include "tools/commandline/command.h"

namespace hsmbridge::rig {

using commandline::Arguments;
using commandline::ExitCode;
using commandline::Invocation;

commandline::Program whole_program();

// serve_commands.cpp. They run until SIGTERM or SIGINT, which must be blocked in every thread of the process before.
ExitCode serve_tsb(Invocation& invocation);
ExitCode serve_digicert(Invocation& invocation);
ExitCode serve_venafi(Invocation& invocation);
ExitCode serve_files(Invocation& invocation);
// control_commands.cpp: they speak to a running simulator.
ExitCode set_fault(Invocation& invocation);
ExitCode list_faults(Invocation& invocation);
ExitCode move_clock(Invocation& invocation);
ExitCode show_journal(Invocation& invocation);
ExitCode show_requests(Invocation& invocation);
ExitCode block_key(Invocation& invocation);
ExitCode reset_simulator(Invocation& invocation);
ExitCode approve_request(Invocation& invocation);
ExitCode reject_request(Invocation& invocation);
ExitCode write_jwt(Invocation& invocation);
ExitCode set_venafi(Invocation& invocation);
// create_ca.cpp
ExitCode create_ca(Invocation& invocation);

}  // namespace hsmbridge::rig
