#pragma once

#include "base/clock.h"
#include "service/requests/requests.h"
#include "tools/commandline/exit_code.h"
#include "tools/commandline/output.h"

#include <string>
#include <vector>

// Requests as a person reads them. What others wrote is escaped by the tables and fields of the frame.
namespace hsmbridge::cli {

// Completed 0; Rejected, Expired, Cancelled, Abandoned 4; Failed 1; Unresolved, Quarantined 6; anything else is
// pending 3.
commandline::ExitCode exit_code_of(const workflow::State& state);

// A list that is printed a page at a time.
class RequestTable {
 public:
  // The lines of these rows, under headings the first time, each with what it waits for below it.
  std::string more(const std::vector<service::RequestRow>& rows, Instant now);

 private:
  commandline::Table table_{{"ID", "STATE", "KEY", "CHANGED", "NAMES"}};
};
std::string show_text(const service::RequestView& view, Instant now);
std::string explain_text(const service::RequestView& view, Instant now);
std::string history_text(const std::vector<workflow::JournalEntry>& history,
                         const std::vector<workflow::LateAnswer>& late);
// "2026-11-23 15:42:07  Reported            PENDING; approved by alice"
std::string history_line(const workflow::JournalEntry& entry);

// One or two lines on where a request stands now, for the end of `enroll` and `request wait`; the last line is the
// command to type next.
std::string outcome_text(const service::RequestView& view, Instant now);

}  // namespace hsmbridge::cli
