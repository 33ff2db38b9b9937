#include "tools/commandline/progress.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::commandline {

namespace {

constexpr Duration kBetweenDrawings{200};

}  // namespace

std::string progress_text(std::size_t done, std::size_t total, Duration elapsed) {
  std::string text = fmt::format("{} of {}", done, total);
  if (done == 0 || elapsed.count() <= 0) return text;
  const double rate = static_cast<double>(done) * 1000 / static_cast<double>(elapsed.count());
  text += rate < 10 ? fmt::format(", {:.1f}/s", rate) : fmt::format(", {:.0f}/s", rate);
  if (done < total) {
    const auto left = static_cast<Duration::rep>(static_cast<double>(total - done) / rate * 1000);
    text += fmt::format(", {} left", spoken(std::max(Duration{left}, Duration{1000})));
  }
  return text;
}

Progress::Progress(Output& output, std::size_t total)
    : output_(output), total_(total), begun_(std::chrono::steady_clock::now()), drawn_(begun_) {}

Progress::~Progress() {
  output_.transient("");
}

void Progress::one_done() {
  ++done_;
  const auto now = std::chrono::steady_clock::now();
  if (now - drawn_ < kBetweenDrawings) return;
  drawn_ = now;
  output_.transient(progress_text(done_, total_, std::chrono::duration_cast<Duration>(now - begun_)));
}

}  // namespace hsmbridge::commandline
