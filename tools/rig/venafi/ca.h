#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "tools/rig/pki/software_key.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::rig::venafi {

// The simulated service's own authority: a root and one issuing CA, kept in the folder so that a restart is no change
// for whoever trusts them.
class Ca {
 public:
  // Reads or makes DIR/venafi-root.pem, DIR/venafi-issuing.pem and their keys (mode 0600).
  Ca(const std::filesystem::path& dir, Instant now);

  const Bytes& root() const { return root_; }
  const Bytes& issuing() const { return issuing_; }
  std::filesystem::path root_file() const { return dir_ / "venafi-root.pem"; }

  struct Order {
    ByteView csr;  // subject, key and requested extensions are taken from it; CA:TRUE is not
    Instant not_before;
    Instant not_after;
    std::vector<std::string> extended_usages;  // "SERVER", "CLIENT": written in place of the CSR's
    enum class Key { of_the_csr, another } key = Key::of_the_csr;
  };
  Bytes issue(const Order& order) const;
  // Like `certificate`, but for another key.
  Bytes for_another_key(ByteView certificate) const;

 private:
  SoftwareKey load_or_make_key(const std::string& name) const;

  std::filesystem::path dir_;
  SoftwareKey root_key_;
  SoftwareKey issuing_key_;
  Bytes root_;
  Bytes issuing_;
};

}  // namespace hsmbridge::rig::venafi
