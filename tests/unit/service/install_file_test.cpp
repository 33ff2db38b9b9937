// What a file target may replace, and what not.
#include "base/error.h"
#include "base/file.h"
#include "service/effects/install.h"
#include "support/temp_folder.h"
#include "x509/objects/pem.h"
#include "x509/objects/pkcs7.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

struct Fixture {
  TempFolder folder;
  std::filesystem::path path = folder / "server.pem";
  Bytes one = x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/one.pem"));
  Bytes two = x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/two.pem"));

  Bytes root = x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/root.pem"));
  std::string which = "leaf:";
  std::vector<Bytes> chain, ours, in_use, issuers;

  void put(const std::string& content) {
    write_file(path, as_bytes(content), FileMode::private_0600, Existing::replace);
  }
  void install() {
    workflow::CertificateRecord record;
    record.der = one;
    record.chain = chain;
    const auto among = [](const std::vector<Bytes>& all, const std::string& fingerprint) {
      return std::any_of(all.begin(), all.end(),
                         [&fingerprint](const Bytes& der) { return hex(sha256(der)) == fingerprint; });
    };
    service::install_file(service::install_target("file:" + which + path.string()), record,
                          {[&](const std::string& fingerprint) {
                             return among(ours, fingerprint)     ? service::Present::replaceable
                                    : among(in_use, fingerprint) ? service::Present::in_use
                                                                 : service::Present::unknown;
                           },
                           [&](const std::string& fingerprint) { return among(issuers, fingerprint); }});
  }
  void refused(const std::string& content, const std::string& says = "") {
    put(content);
    try {
      install();
      FAIL("it was overwritten");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::conflict);
      INFO(error.message());
      CHECK(error.message().find(says) != std::string::npos);
    }
    CHECK(to_text(read_file(path)) == content);
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a file whose first certificate is this bridge's own is replaced") {
  ours = {two};
  put(x509::certificate_to_pem(two) + x509::certificate_to_pem(root));
  install();
  CHECK(to_text(read_file(path)) == x509::certificate_to_pem(one));
  put(to_text(two));
  install();
  CHECK(to_text(read_file(path)) == x509::certificate_to_pem(one));
  // For the same key: from the time before the bridge.
  ours.clear();
  put(x509::certificate_to_pem(one) + x509::certificate_to_pem(root));
  install();
  CHECK(to_text(read_file(path)) == x509::certificate_to_pem(one));
}

TEST_CASE_METHOD(Fixture,
                 "an unknown certificate for the same key is replaced unless it is valid from a later time on") {
  // The same bytes with another notBefore, so the same key; nobody looks at the signature.
  const auto beginning = [&](const std::string& year) {
    std::string text = to_text(one);
    const auto at = text.find(
        "\x17\x0d"
        "26");
    REQUIRE(at != std::string::npos);
    return to_bytes(text.replace(at + 2, 2, year));
  };
  const Bytes later = beginning("27");
  refused(x509::certificate_to_pem(later) + x509::certificate_to_pem(root),
          "holds certificate " + hex(sha256(later)).substr(0, 12) +
              ", which is for the same key, is valid from a later time on and is unknown here");
  for (const Bytes& replaced : {beginning("25"), one, later}) {
    ours = replaced == later ? std::vector<Bytes>{later} : std::vector<Bytes>{};
    put(x509::certificate_to_pem(replaced) + x509::certificate_to_pem(root));
    install();
    CHECK(to_text(read_file(path)) == x509::certificate_to_pem(one));
  }
}

TEST_CASE_METHOD(Fixture, "certificates that are somebody else's are never replaced") {
  ours = {one};
  issuers = {root};
  // A list of trusted CAs, with the root of ours among them.
  refused(x509::certificate_to_pem(two) + x509::certificate_to_pem(one));
  refused(x509::certificate_to_pem(root) + x509::certificate_to_pem(two));
  which = "chain:";
  chain = {root};
  refused(x509::certificate_to_pem(root) + x509::certificate_to_pem(two));
}

TEST_CASE_METHOD(Fixture, "a certificate of this bridge that is in use for something else is not replaced") {
  in_use = {two};
  refused(x509::certificate_to_pem(two) + x509::certificate_to_pem(root),
          "holds certificate " + hex(sha256(two)).substr(0, 12) + ", which is not renewed by this one and is in use");
}

TEST_CASE_METHOD(Fixture, "a file of issuers is replaced when every one of them is an issuer that is known here") {
  which = "chain:";
  chain = {root};
  issuers = {two};
  put(x509::certificate_to_pem(two) + x509::certificate_to_pem(root));
  install();
  CHECK(to_text(read_file(path)) == x509::certificate_to_pem(root));
}

TEST_CASE_METHOD(Fixture, "a file that holds anything beside certificates is never replaced") {
  refused("my notes");
  // A private key in DER and a PKCS #12 store begin as a certificate does: with a SEQUENCE of the file's whole length.
  refused(std::string("\x30\x03\x02\x01\x03", 5));
  ours = {two};
  refused(x509::certificate_to_pem(two) + x509::write_pem("DH PARAMETERS", Bytes{0x30, 0x00}));
  refused(x509::certificate_to_pem(two) + x509::write_pem("PRIVATE KEY", Bytes{0x30, 0x00}));
}

TEST_CASE_METHOD(Fixture, "a pipe in the place of the file is refused and not waited for") {
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK_THROWS_AS(install(), Error);
  CHECK(std::filesystem::is_fifo(path));
}

TEST_CASE_METHOD(Fixture, "a file says which certificates it holds, in which order, and who may read it") {
  const auto replaceable = [](const std::string&) { return service::Present::replaceable; };
  const auto anything = [](const std::string&) { return true; };
  const auto install_as = [&](const std::string& more) {
    workflow::CertificateRecord record;
    record.der = one;
    record.chain = {two};
    service::install_file(
        service::install_target(R"(file:{"path":")" + path.string() + R"(")" + (more.empty() ? "" : "," + more) + "}"),
        record, {replaceable, anything});
    return to_text(read_file(path));
  };
  const auto pem = [](const Bytes& der) { return x509::certificate_to_pem(der); };
  const auto mode = [&] {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777U;
  };
  CHECK(install_as(R"("content":"leaf")") == pem(one));
  CHECK(mode() == 0644);
  CHECK(install_as(R"("content":"chain","mode":"0600")") == pem(two));
  CHECK(mode() == 0600);
  // The same content with another mode is written again; without one the mode is the administrator's business.
  CHECK(install_as(R"("content":"chain","mode":"0640")") == pem(two));
  CHECK(mode() == 0640);
  CHECK(install_as(R"("content":"chain")") == pem(two));
  CHECK(mode() == 0640);
  const auto bundle = install_as(R"("content":"pkcs7")");
  CHECK(bundle.starts_with("-----BEGIN PKCS7-----"));
  CHECK(x509::certificates_of_bundle(as_bytes(bundle)).size() == 2);
  // A bundle holds nothing but certificates: it is replaced too.
  CHECK(install_as(R"("content":"leaf")") == pem(one));
  for (const char* wrong : {R"("content":"half")", R"("order":"up")", R"("mode":"rw")", R"("colour":"red")"}) {
    INFO(wrong);
    CHECK_THROWS_AS(install_as(wrong), Error);
  }
  try {
    install_as(R"("owner":"no-such-user-here")");
    FAIL("it was written");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::not_found);
    CHECK(error.message() == "this machine has no user 'no-such-user-here'");
  }
}

TEST_CASE_METHOD(Fixture,
                 "a bundle, and a file with its root first, are this bridge's own by any of their certificates") {
  chain = {root};
  for (const std::string more : {R"("content":"pkcs7")", R"("order":"root-first")"}) {
    INFO(more);
    which = R"({"path":")" + path.string() + R"(",)" + more + "}";
    const auto put_there = [&](const std::vector<Bytes>& certificates) {
      std::string text;
      for (const auto& der : certificates) text += x509::certificate_to_pem(der);
      return more.find("pkcs7") == std::string::npos ? text
                                                     : x509::write_pem("PKCS7", x509::pkcs7_bundle(certificates));
    };
    // `install` names the path itself for the other tests.
    const auto install_there = [&] {
      workflow::CertificateRecord record;
      record.der = one;
      record.chain = chain;
      const auto unknown = [](const std::string&) { return service::Present::unknown; };
      const auto nothing = [](const std::string&) { return false; };
      service::install_file(service::install_target("file:" + which), record, {unknown, nothing});
    };
    put(put_there({root, two}));
    CHECK_THROWS_AS(install_there(), Error);
    put(put_there({root, two, one}));
    CHECK_THROWS_AS(install_there(), Error);
    put(put_there({root, one}));
    CHECK_NOTHROW(install_there());
  }
}

TEST_CASE("certificates are selected with and without their root, from either end") {
  workflow::CertificateRecord record;
  record.der = x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/one.pem"));
  record.chain = {x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/two.pem"))};
  using service::Selection;
  using service::Sequence;
  using Ders = std::vector<Bytes>;
  CHECK(service::select(record, Selection::leaf) == Ders{record.der});
  CHECK(service::select(record, Selection::chain) == record.chain);
  CHECK(service::select(record, Selection::everything) == Ders{record.der, record.chain[0]});
  CHECK(service::select(record, Selection::everything, Sequence::root_first) == Ders{record.chain[0], record.der});
}
