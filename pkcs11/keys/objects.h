#pragma once

#include "base/bytes.h"
#include "pkcs11/token/session.h"

#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace hsmbridge::pkcs11 {

// CK_ATTRIBUTEs with the storage that they point into.
class Template {
 public:
  Template& add(CK_ATTRIBUTE_TYPE type, Bytes value);
  Template& text(CK_ATTRIBUTE_TYPE type, std::string_view value);
  Template& number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  Template& flag(CK_ATTRIBUTE_TYPE type, CK_BBOOL value);

  CK_ATTRIBUTE* data() noexcept { return attributes_.data(); }
  CK_ULONG size() const noexcept { return attributes_.size(); }

 private:
  std::deque<Bytes> storage_;  // a deque: what is in it never moves
  std::vector<CK_ATTRIBUTE> attributes_;
};

Bytes number_octets(CK_ULONG value);
// The CK_ULONG or CK_BBOOL of an attribute; nothing when it has another length.
std::optional<CK_ULONG> number_of(ByteView value);
std::optional<bool> flag_of(ByteView value);

// A search is ended even when it fails: a session left with an open search answers CKR_OPERATION_ACTIVE to the next
// caller.
class ObjectSearch {
 public:
  ObjectSearch(const Session& session, Template& match);
  ~ObjectSearch();
  ObjectSearch(const ObjectSearch&) = delete;
  ObjectSearch& operator=(const ObjectSearch&) = delete;
  std::optional<CK_OBJECT_HANDLE> next();

 private:
  void fetch();
  const Session& session_;
  std::vector<CK_OBJECT_HANDLE> batch_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

std::vector<CK_OBJECT_HANDLE> find_objects(const Session& session, Template match);

// The attributes in the order asked, in one call where the module keeps PKCS#11 v2.40 §5.7; nothing where the token does
// not know or does not show one.
// Throws TokenFailure with CKR_OBJECT_HANDLE_INVALID when the object is gone.
std::vector<std::optional<Bytes>> read_attributes(const Session& session, CK_OBJECT_HANDLE object,
                                                  std::span<const CK_ATTRIBUTE_TYPE> types);
// The same; nothing when the object is gone. A handle that is said to be invalid is no proof of that (a login or a
// session was lost, or the answer was wrong): until the last try the failure is thrown, so that the search is made
// again.
std::optional<std::vector<std::optional<Bytes>>> read_if_there(const Session& session, CK_OBJECT_HANDLE object,
                                                               std::span<const CK_ATTRIBUTE_TYPE> types);
// Whether a failure is to be taken so.
bool is_gone(const Session& session, const TokenFailure& failure);
std::optional<Bytes> read_attribute(const Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);

}  // namespace hsmbridge::pkcs11
