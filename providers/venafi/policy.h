#pragma once

#include "base/clock.h"
#include "providers/venafi/wire/wire.h"
#include "workflow/ports/provider.h"
#include "x509/content/requested_content.h"
#include "x509/objects/csr.h"

#include <optional>
#include <string>
#include <vector>

// The rules of an issuing template, applied here before anything is sent: the server's own complaint names one
// component at a time and comes as HTTP 412.
namespace hsmbridge::venafi {

// Whether a value passes a template's list. A template's expressions are written for several dialects (the vendor's
// clients use three); `cannot_tell` is for a value that no expression matched while one of them is beyond RE2.
enum class Passes { yes, no, cannot_tell };
// Each expression must match the whole value. An empty list matches nothing.
Passes passes(const std::vector<std::string>& expressions, std::string_view value);

struct PolicyQuestion {
  const x509::Csr& csr;
  const x509::RequestedContent& ask;           // validity, and what the profile accepts
  Duration validity{};                         // what will be asked; zero: the template's
  std::optional<Bytes> predecessor_spki = {};  // of a renewal
};
// Every reason for which the service would refuse it or give something else than asked: component, value, and what is
// allowed. Empty when there is none.
std::vector<std::string> violations(const Template& rules, const PolicyQuestion& question);

// What the template is known to write into a certificate in addition to what is asked: not an objection.
std::vector<std::string> notes(const Template& rules, const x509::Content& asked);

// Those that hold for every request: the template is not available, or takes no CSRs from here.
std::vector<std::string> obstacles(const Template& rules);

// For `provider show --policy`.
workflow::Facts policy_facts(const Template& rules);

}  // namespace hsmbridge::venafi
