#pragma once

#include "base/error.h"

#include <string>

namespace hsmbridge::x509 {

// Takes everything out of this thread's OpenSSL error queue and returns it as one line, oldest first; "" when empty.
std::string take_openssl_errors();

// "what: <the queue's text>" as an Error of that kind; the queue is empty afterwards. The one place where OpenSSL's
// error queue becomes an Error of ours.
Error openssl_error(ErrorKind kind, std::string what);

}  // namespace hsmbridge::x509
