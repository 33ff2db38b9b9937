#pragma once

#include "ca/examine.h"
#include "ca/path.h"
#include "x509/objects/certificate.h"

#include <string>
#include <string_view>
#include <vector>

// What the providers share that certify by bytes that were built here, whoever signs them.
namespace hsmbridge::providers {

// The title, and each reason on a line of its own.
std::string lines(std::string title, const std::vector<std::string>& reasons);

// The CAs are not fit to issue now. Nothing is wrong with the request: it waits. Throws unavailable, with the detail
// "until" where only time is missing, else with `remedy` as its hint.
void expect_fit(const std::string& provider, const std::vector<ca::Unfitness>& found, const std::string& remedy);

// Why nobody would trust a certificate of this issuer though nothing is wrong with the request: no anchors are named, or
// what OpenSSL finds above it (a weak signature of a CA, say), which it would find when the certificate is there too.
std::vector<std::string> distrust(const x509::Certificate& issuer, const std::vector<x509::Certificate>& chain,
                                  const std::vector<x509::Certificate>& anchors, const std::string& request_profile,
                                  Instant now);

}  // namespace hsmbridge::providers
