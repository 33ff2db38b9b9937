#include "x509/objects/pem_file.h"

#include "base/error.h"
#include "base/file.h"
#include "base/trust.h"

namespace hsmbridge::x509 {
namespace {

template <class Read>
auto named(const std::filesystem::path& file, Given given, Read read) {
  // Their errors name the file.
  const Bytes content = given == Given::to_be_believed ? read_trusted(file, kBelieved) : read_file(file);
  try {
    return read(content);
  } catch (Error& error) {
    throw error.prefix(file.string());
  }
}

}  // namespace

std::vector<Bytes> certificates_in_file(const std::filesystem::path& file, Given given) {
  return named(file, given, read_certificates);
}

Bytes certificate_in_file(const std::filesystem::path& file, Given given) {
  return named(file, given, read_certificate);
}

Bytes key_of_person_in_file(const std::filesystem::path& file, Given given) {
  return named(file, given, read_key_of_person);
}

Bundle bundle_in_file(const std::filesystem::path& file, Given given) {
  return named(file, given, read_bundle);
}

}  // namespace hsmbridge::x509
