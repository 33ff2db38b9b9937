#include "x509/objects/pem_file.h"

#include "base/error.h"
#include "base/file.h"

namespace hsmbridge::x509 {
namespace {

template <class Read>
auto named(const std::filesystem::path& file, Read read) {
  const Bytes content = read_file(file);  // its errors name the file
  try {
    return read(content);
  } catch (Error& error) {
    throw error.prefix(file.string());
  }
}

}  // namespace

std::vector<Bytes> certificates_in_file(const std::filesystem::path& file) {
  return named(file, read_certificates);
}

Bytes certificate_in_file(const std::filesystem::path& file) {
  return named(file, read_certificate);
}

Bytes key_of_person_in_file(const std::filesystem::path& file) {
  return named(file, read_key_of_person);
}

Bundle bundle_in_file(const std::filesystem::path& file) {
  return named(file, read_bundle);
}

}  // namespace hsmbridge::x509
