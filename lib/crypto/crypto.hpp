#pragma once
// SHA-256, HMAC-SHA-256 and random bytes. OpenSSL with a library context of its own stands behind them and
// appears in no header: what the host does to OpenSSL's global state does not reach this library.
//
// None of these fails but for want of memory, which is std::bad_alloc.

#include <restante/bytes.hpp>
#include <restante/status.hpp>

#include <memory>

namespace restante::crypto {

/// The digest of all bytes given to `update`, in any pieces. A copy continues on its own from where the
/// original was. One thread at a time.
class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256& other);
  Sha256& operator=(const Sha256& other);
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void update(ByteView bytes);
  /// Ends it: a new digest begins with the next `update`.
  [[nodiscard]] Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] Digest sha256(ByteView bytes);

/// An HMAC-SHA-256 key (RFC 2104) with the work that depends on the key alone done in advance. A value; its
/// const methods are safe from any threads at once. What it keeps of the key is wiped when it goes.
class HmacSha256Key {
 public:
  explicit HmacSha256Key(ByteView key);
  HmacSha256Key(const HmacSha256Key&);
  HmacSha256Key& operator=(const HmacSha256Key&);
  ~HmacSha256Key();

  [[nodiscard]] Digest mac(ByteView bytes) const;

  /// The same for bytes that come in pieces. It may outlive the key. One thread at a time.
  class Mac {
   public:
    explicit Mac(const HmacSha256Key& key);
    Mac(Mac&&) noexcept;
    Mac& operator=(Mac&&) noexcept;
    ~Mac();

    void update(ByteView bytes);
    /// Once.
    [[nodiscard]] Digest finish();

   private:
    struct State;
    std::unique_ptr<State> state_;
  };

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

/// Fit for keys. `io` when the system has no random source.
[[nodiscard]] Status random_bytes(MutableByteView out);

/// Takes the same time wherever two spans of one length differ.
[[nodiscard]] bool equal_in_constant_time(ByteView a, ByteView b) noexcept;

}  // namespace restante::crypto
