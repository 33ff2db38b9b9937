#pragma once

#include "x509/objects/certificate.h"

#include <filesystem>

namespace hsmbridge::local {

// Appends what a CA is about to sign to a file beside the store, durable when it returns: what a store that is restored
// from a backup does not know any more. One line a certificate, as `openssl ca` has it (ca/openssl_index.h): number,
// end and subject; the same bytes that are signed again are there again. Throws unavailable: then nothing may be
// signed.
void append_to_serial_log(const std::filesystem::path& file, const x509::TbsCertificate& tbs);

}  // namespace hsmbridge::local
