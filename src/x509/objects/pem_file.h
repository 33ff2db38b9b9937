#pragma once

#include "x509/objects/pem.h"

#include <filesystem>

// x509/objects/pem.h for files: every message names the file.
namespace hsmbridge::x509 {

std::vector<Bytes> certificates_in_file(const std::filesystem::path& file);
Bytes certificate_in_file(const std::filesystem::path& file);
Bytes key_of_person_in_file(const std::filesystem::path& file);
Bundle bundle_in_file(const std::filesystem::path& file);

}  // namespace hsmbridge::x509
