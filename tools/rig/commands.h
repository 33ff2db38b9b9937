#pragma once

#include "tools/rig/arguments.h"

#include <vector>

namespace hsmbridge::rig {

// Every command of hsmbridge-rig, in the order of --help.
const std::vector<Command>& commands();

// serve_commands.cpp. They run until SIGTERM or SIGINT, which must be blocked in every thread of the process before.
int serve_tsb(const Arguments& arguments);
int serve_venafi(const Arguments& arguments);
int serve_blackhole(const Arguments& arguments);
// serve_digicert.cpp, likewise
int serve_digicert(const Arguments& arguments);
// control_commands.cpp: they speak to a running simulator.
int set_fault(const Arguments& arguments);
int list_faults(const Arguments& arguments);
int move_clock(const Arguments& arguments);
int show_journal(const Arguments& arguments);
int show_requests(const Arguments& arguments);
int block_key(const Arguments& arguments);
int reset_simulator(const Arguments& arguments);
int approve_request(const Arguments& arguments);
int reject_request(const Arguments& arguments);
int write_jwt(const Arguments& arguments);
int set_venafi(const Arguments& arguments);
// create_ca.cpp
int create_ca(const Arguments& arguments);

}  // namespace hsmbridge::rig
