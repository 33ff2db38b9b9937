#pragma once

#include <compare>
#include <string>
#include <utility>

namespace hsmbridge {

// A string that is one kind of name and no other: the compiler refuses a ProviderReference where a RequestId is asked.
template <class Tag>
class StrongString {
 public:
  StrongString() = default;
  explicit StrongString(std::string value) : value_(std::move(value)) {}
  const std::string& str() const noexcept { return value_; }
  bool empty() const noexcept { return value_.empty(); }
  auto operator<=>(const StrongString&) const = default;

 private:
  std::string value_;
};

// The bridge's own name of a request: 16 characters of Crockford base32, six of time and ten of randomness.
using RequestId = StrongString<struct RequestIdTag>;
// A provider's name of what we submitted: Securosys signRequestId, Venafi certificate request id, DigiCert request_id.
using ProviderReference = StrongString<struct ProviderReferenceTag>;
// Lower-case hex of the SHA-256 of a DER SubjectPublicKeyInfo: what a key is pinned by.
using SpkiHash = StrongString<struct SpkiHashTag>;

}  // namespace hsmbridge
