#pragma once

#include "x509/objects/pem.h"

#include <filesystem>

// x509/objects/pem.h for files: every message names the file.
namespace hsmbridge::x509 {

enum class Given {
  to_be_believed,  // an anchor, an issuer, an approver's key: refused where others may write it (base/trust.h)
  to_be_read,      // anybody's, to be shown or judged
};

std::vector<Bytes> certificates_in_file(const std::filesystem::path& file, Given given);
Bytes certificate_in_file(const std::filesystem::path& file, Given given);
Bytes key_of_person_in_file(const std::filesystem::path& file, Given given);
Bundle bundle_in_file(const std::filesystem::path& file, Given given);

}  // namespace hsmbridge::x509
