#pragma once

#include <filesystem>

namespace hsmbridge::rig {

// The files of a rig's own test CA. Private keys have mode 0600.
struct TestPki {
  std::filesystem::path ca;           // ca.pem, the trust anchor for clients
  std::filesystem::path server;       // tls/server.pem for localhost, 127.0.0.1 and ::1
  std::filesystem::path server_key;   // tls/server-key.pem
  std::filesystem::path control;      // tls/control.pem: the rig's own commands, at a server that demands certificates
  std::filesystem::path control_key;  // tls/control-key.pem
  std::filesystem::path task_reader;  // tls/task-reader.pem: a timestamp signer that may list everybody's tasks
  std::filesystem::path task_reader_key;  // tls/task-reader-key.pem
};

// Makes the folder and what is missing in it; an existing CA stays, so that clients keep trusting it.
TestPki make_test_pki(const std::filesystem::path& dir);

}  // namespace hsmbridge::rig
