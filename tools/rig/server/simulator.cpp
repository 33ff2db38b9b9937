#include "tools/rig/server/simulator.h"

#include "base/error.h"
#include "base/log.h"

#include <fmt/core.h>

namespace hsmbridge::rig {

Simulator::Simulator(const Clock& clock, const std::filesystem::path& state) : clock_(clock) {
  if (!state.empty()) state_.emplace(state);
}

Answer Simulator::handle(const Call& call) {
  try {
    return answer(call);
  } catch (...) {
    const Error error = current_error();
    if (std::optional<Answer> refused = answer_in(error)) return worded(std::move(*refused));
    log::error(fmt::format("{} {}: {}", call.method, call.path(), error.message()));
    return {500, trouble()};
  }
}

void Simulator::advance(std::chrono::seconds by) {
  const std::lock_guard lock(mutex_);
  advanced_ += by;
  keep("advanced", kept(advanced_));
}

void Simulator::keep(const std::string& what, Json value) {
  if (state_) state_->append(Json::object({{what, std::move(value)}}));
}

Json::Array Simulator::kept_lines() {
  Json::Array lines = LineFile::read(state_->path());
  // Without a torn last line, which the next one would continue.
  state_->rewrite(lines);
  for (const Json& line : lines) {
    if (const Json* moved = line.find("advanced")) restore(*moved, advanced_);
  }
  return lines;
}

void Simulator::forget_all() {
  advanced_ = std::chrono::seconds{0};
  if (state_) state_->rewrite({});
}

}  // namespace hsmbridge::rig
