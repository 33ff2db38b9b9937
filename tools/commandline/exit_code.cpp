#include "tools/commandline/exit_code.h"

#include <utility>

namespace hsmbridge::commandline {

namespace {

// kind, exit code. What the user typed is wrong: 2; what the world holds is not as they thought: 1.
constexpr std::pair<ErrorKind, ExitCode> kExitCodes[] = {
    {ErrorKind::invalid_input, ExitCode::usage},     {ErrorKind::not_found, ExitCode::failed},
    {ErrorKind::ambiguous, ExitCode::failed},        {ErrorKind::conflict, ExitCode::failed},
    {ErrorKind::denied, ExitCode::refused},          {ErrorKind::refused, ExitCode::refused},
    {ErrorKind::unavailable, ExitCode::unavailable}, {ErrorKind::outcome_unknown, ExitCode::unresolved},
    {ErrorKind::corrupt, ExitCode::failed},          {ErrorKind::internal, ExitCode::failed},
};

// code, explanation.
constexpr std::pair<ExitCode, std::string_view> kExplanations[] = {
    {ExitCode::done, "done"},
    {ExitCode::failed, "failed, or a check that found fault, or a batch in which a row failed"},
    {ExitCode::usage, "usage or configuration error, nothing was done"},
    {ExitCode::pending, "pending: not finished, come back"},
    {ExitCode::refused, "refused: denied, rejected, expired, cancelled, or against policy"},
    {ExitCode::unavailable, "token or provider cannot be reached, try later"},
    {ExitCode::unresolved, "unresolved: a person must decide (hsmbridge request explain ID)"},
};

}  // namespace

std::string_view explanation(ExitCode code) {
  for (const auto& [row, text] : kExplanations) {
    if (row == code) return text;
  }
  return "";
}

ExitCode exit_code_of(ErrorKind kind) {
  for (const auto& [row, code] : kExitCodes) {
    if (row == kind) return code;
  }
  return ExitCode::failed;
}

}  // namespace hsmbridge::commandline
