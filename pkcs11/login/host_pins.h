#pragma once

#include "base/json.h"
#include "pkcs11/login/pin.h"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hsmbridge::pkcs11 {

// What all users of this host know about the PINs of their tokens: a wrong PIN is sent once to a token, whatever its
// source is called, whichever store or user. One file a token and user in the folder of the token's lock, readable by
// all. A refusal in anybody's file counts for everybody; what allows another attempt counts only in one's own file and
// in root's, so that nobody can make somebody else's process try a PIN again. A user can write a refusal that never
// was, which holds logins up until `token login --retry`: he could hold the lock, too.
//
// That folder is empty after a restart of the machine. So everything is written to the memory behind it as well, and
// what that one remembers counts until a success, or a person, that came after it.
//
// Not trusted: a file whose owner is not the user that its name says, and a link. What another user's file says is
// bounded, and nothing of it is copied into one's own: an allowance names a record by a digest of whose it is, which
// PIN it is about and its id, so that it allows nothing else.
//
// Thread rule: refused() from any thread; the others by whoever holds the LockedWork::login lock of the token.
class HostPins final : public PinRefusals {
 public:
  explicit HostPins(std::shared_ptr<PinRefusals> lasting);

  std::optional<PinRefusal> refused(const PinSubject& subject) override;
  void record(const PinRefusal& refusal) override;
  void clear(const PinSubject& subject) override;
  std::optional<PinRefusal> own(const PinSubject& subject) override;
  void take_back(const PinSubject& subject) override;

  // Whether the token has ever shown CKF_USER_PIN_COUNT_LOW, as far as this user or root knows: PKCS#11 v2.40 §3.2 lets
  // a token that does not reveal it leave the flag at zero, so that only of these tokens a flag that is not set says
  // that no wrong PIN was counted.
  bool shows_wrong_pins(const PinSubject& token) const;
  void saw_wrong_pin(const PinSubject& token);

 private:
  struct Record {
    std::string id;  // random
    PinRefusal refusal;
  };
  // One user's file.
  struct Page {
    std::vector<Record> records;
    std::set<std::string> allowed;           // allowance_for() records of other users
    std::vector<PinRefusal> cleared;         // `at`: what the lasting memory wrote down until then is over
    std::set<std::string> shows_wrong_pins;  // distinctions: another token of the serial number may not
    bool empty() const { return records.empty() && allowed.empty() && cleared.empty() && shows_wrong_pins.empty(); }
  };
  using Pages = std::map<unsigned, Page>;  // by uid

  static std::string allowance_for(unsigned user, const Record& record);
  static Page read_page(const std::filesystem::path& file, unsigned user, const std::string& token_serial);
  static Page own_page(const std::string& token_serial);
  static Pages read_pages(const std::string& token_serial);
  static void write_page(const std::string& token_serial, const Page& page);
  // What the lasting memory says, unless one's own page or root's says that it is over.
  std::optional<PinRefusal> lasting(const PinSubject& subject, const Pages& pages) const;
  enum class Whose { own, everybodys };
  std::optional<PinRefusal> worst(const PinSubject& subject, Whose whose) const;
  static Json to_json(const std::string& token_serial, const Page& page);

  const std::shared_ptr<PinRefusals> lasting_;
};

}  // namespace hsmbridge::pkcs11
