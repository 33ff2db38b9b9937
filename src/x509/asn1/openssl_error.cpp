#include "x509/asn1/openssl_error.h"

#include <openssl/err.h>

#include <utility>

namespace hsmbridge::x509 {

std::string take_openssl_errors() {
  std::string text;
  while (const unsigned long code = ::ERR_get_error()) {
    const char* reason = ::ERR_reason_error_string(code);
    if (!text.empty()) text += ", ";
    if (reason != nullptr) {
      text += reason;
    } else {
      char buffer[256];
      ::ERR_error_string_n(code, buffer, sizeof buffer);
      text += buffer;
    }
  }
  return text;
}

Error openssl_error(ErrorKind kind, std::string what) {
  const std::string reasons = take_openssl_errors();
  if (!reasons.empty()) what += ": " + reasons;
  return Error{kind, std::move(what)};
}

}  // namespace hsmbridge::x509
