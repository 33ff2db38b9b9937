#include "workflow/machine/event.h"

namespace hsmbridge::workflow {

const Report* report_of(const EventBody& body) {
  if (const auto* reported = std::get_if<Reported>(&body)) return &reported->report;
  if (const auto* found = std::get_if<FoundAtProvider>(&body)) return &found->report;
  if (const auto* answered = std::get_if<SubmissionAnswered>(&body)) return &answered->report;
  if (const auto* cancelled = std::get_if<CancelAnswered>(&body)) return &cancelled->report;
  return nullptr;
}

}  // namespace hsmbridge::workflow
