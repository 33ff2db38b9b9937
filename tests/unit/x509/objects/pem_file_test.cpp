#include "x509/objects/pem_file.h"

#include "base/error.h"
#include "base/file.h"
#include "support/temp_folder.h"
#include "unit/x509/test_authority.h"
#include "x509/objects/pem.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::TempFolder;
using hsmbridge::test::TestAuthority;

TEST_CASE("a file that is to be believed is refused where others may write it, and one to be read is not") {
  const TempFolder folder;
  const TestAuthority authority("CN=CA");
  const auto file = folder / "ca.pem";
  write_file(file, as_bytes(certificate_to_pem(authority.certificate().der)), FileMode::public_0644, Existing::refuse);
  const std::vector<std::function<void(Given)>> readers{
      [&](Given given) { certificate_in_file(file, given); }, [&](Given given) { certificates_in_file(file, given); },
      [&](Given given) { bundle_in_file(file, given); }, [&](Given given) { key_of_person_in_file(file, given); }};
  for (const auto& read : readers) {
    REQUIRE(::chmod(file.c_str(), 0644) == 0);
    CHECK_NOTHROW(read(Given::to_be_believed));
    REQUIRE(::chmod(file.c_str(), 0664) == 0);
    CHECK_NOTHROW(read(Given::to_be_read));
    try {
      read(Given::to_be_believed);
      FAIL("it was believed");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::denied);
      CHECK(error.message().find(file.string() + " may be changed by its group (owner ") == 0);
      CHECK(error.hint() == "chmod go-w " + file.string());
    }
  }
}
