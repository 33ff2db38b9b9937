#pragma once

#include <filesystem>
#include <string>

namespace hsmbridge::test {

// Tells the faulty module of this process what to do. Everything lasts until reset().
// For a program that a test starts, HSMBRIDGE_FAULTS holds the same as words: "C_Sign=0x30:1 C_Login=0xa0:9:2"; the
// code 0xdead0009 kills the process in that call, and with 0xdead000b the module crashes in it (SIGSEGV).
// "short_ids=2:0x13" is short_ids(2, 0x13).
class Faults {
 public:
  static std::filesystem::path module();

  Faults();
  ~Faults();  // resets
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;

  // The next `times` calls of a function answer `rv` without reaching the token, after `skip` that do.
  void fail(const std::string& function, unsigned long rv, unsigned times = 1, unsigned skip = 0);
  // The function does its work and answers `rv` all the same: an answer lost on its way.
  void fail_after(const std::string& function, unsigned long rv, unsigned times = 1);
  // Calls of a function wait until release().
  void hang(const std::string& function);
  void release();
  void wrong_signatures(unsigned times);
  // Added to CK_TOKEN_INFO.flags.
  void token_flags(unsigned long flags);
  // Taken out of them.
  void without_token_flags(unsigned long flags);
  void without_mechanism(unsigned long mechanism);
  // A template that states this attribute is refused.
  void refuse_attribute(unsigned long type, unsigned long rv);
  // The flag reads as this value whatever it is, or as unknown (any other number).
  void show_flag(unsigned long type, int value);
  // C_GenerateKeyPair leaves only the public half and answers CKR_DEVICE_ERROR, as after a crash.
  void half_pairs(unsigned times);
  // C_GenerateKeyPair gives the pair a CKA_ID of the token's own choice.
  void own_ids(unsigned times);
  // CKA_PRIVATE of private keys reads as this value.
  void show_private(int value);
  // What is written as CKA_VALUE reads back with its last octet changed.
  void garble_values(unsigned times);
  // Every initialised token shows this label and serial number.
  void token_texts(const std::string& label, const std::string& serial);
  // The text fields of every token end with a zero octet, followed by zeros or by garbage.
  enum class Padding { zeros, zero_then_garbage };
  void pad(Padding padding);
  // The slot is not listed, as if its token was pulled.
  void hide_slot(unsigned long slot);
  // The token keeps this many octets of a CKA_ID: it cuts a longer one, or refuses it where `refusal` is not CKR_OK.
  void short_ids(unsigned octets, unsigned long refusal = 0);
  // C_Sign refuses longer data with CKR_DATA_LEN_RANGE.
  void most_digest(unsigned octets);
  // C_FindObjects gives so many handles at a time.
  void most_found(unsigned handles);
  // C_GetAttributeValue stops at the first attribute that is not shown, and leaves of those behind it everything as it
  // was, the values alone, or every length as "unavailable".
  enum class Rest { untouched = 1, lengths_alone, unavailable };
  void stop_at_unknown(Rest rest);

  unsigned calls(const std::string& function) const;

  void close_all_sessions();  // behind the caller's back, as an HSM that restarts
  void log_out();
  void finalize();
};

}  // namespace hsmbridge::test
