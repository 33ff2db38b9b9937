#pragma once

#include "base/file.h"
#include "support/softhsm/softhsm.h"
#include "x509/objects/spki.h"

#include <stdexcept>
#include <string>

namespace hsmbridge::test {

// A test CA made and run by openssl's own program, in a folder of its own.
class OpensslCa {
 public:
  OpensslCa() {
    run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
         path("ca.key"), "-out", path("ca.pem"), "-subj", "/CN=Test CA", "-days", "2"});
  }
  // A certificate for a public key that exists, as DER.
  Bytes issue(const Bytes& spki, const std::string& name) const {
    write_file(path("key.pem"), as_bytes(x509::spki_to_pem(spki)), FileMode::public_0644, Existing::replace);
    run({"openssl", "x509", "-new", "-force_pubkey", path("key.pem"), "-subj", "/CN=" + name, "-CA", path("ca.pem"),
         "-CAkey", path("ca.key"), "-days", "1", "-outform", "DER", "-out", path("leaf.der")});
    return read_file(path("leaf.der"));
  }
  // server.key and server.pem for 127.0.0.1.
  void make_server() const {
    run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
         path("server.key"), "-out", path("server.pem"), "-subj", "/CN=127.0.0.1", "-days", "2"});
  }
  std::string path(const char* name) const { return folder_.path() / name; }

 private:
  static void run(const std::vector<std::string>& argv) {
    const ProgramResult result = run_program(argv);
    if (result.status != 0) throw std::runtime_error(result.err);
  }
  TempFolder folder_;
};

}  // namespace hsmbridge::test
