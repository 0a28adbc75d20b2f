#!/usr/bin/perl
# Makes out of a cache of Zig's what an image keeps of it: libraries, start files, and the manifests by which Zig finds
# them, without inodes and times. Objects that libraries repeat go. zig-seed.pl makes a cache of it again.
#
#     zig-keep.pl ZIG CACHE KEPT
#
# A manifest is a row of entries: size, inode, time, digest, flags with the number of a folder, path in that. Its name is
# a digest of what was asked for; the folder of what came of that is named by SipHash-1-3 over this name and the digests
# of all entries.
use strict;
use warnings;
use integer;
no warnings 'portable';  # 64 bits are what this is about

my ($zig, $cache, $kept) = @ARGV;
my $product = qr/\.(a|lib|so(\.\d+)*)$|^(r|S|g|M|W|dll)*crt(\d|i|n|begin|end)?[ST]?\.(o|obj)$/;

my @key = read_key("$zig/lib/std/Build/Cache.zig");
mkdir "$kept/$_" or die "$kept/$_: $!\n" for qw(b h o);
my $count = 0;
for my $name (grep { /^[0-9a-f]{32}$/ } list_folder("$cache/h")) {
    my ($even, $generated, @digests) = even_out(read_file("$cache/h/$name"));
    my $folder = unpack 'H*', hash(pack('H*', $name), @digests);
    my @files = -d "$cache/o/$folder" ? grep { $_ =~ $product } list_folder("$cache/o/$folder") : ();
    next unless @files;
    write_file("$kept/h/$name", $even);
    mkdir "$kept/o/$folder" or die "$kept/o/$folder: $!\n" unless -d "$kept/o/$folder";
    write_file("$kept/o/$folder/$_", read_file("$cache/o/$folder/$_")) for @files;
    for my $path (@$generated) {
        my ($above) = $path =~ m{^(b/[0-9a-f]+)/[\w.]+$} or die "a manifest names $path: its form has changed\n";
        mkdir "$kept/$above" or die "$kept/$above: $!\n" unless -d "$kept/$above";
        write_file("$kept/$path", read_file("$cache/$path"));
    }
    $count++;
}
die "no manifest of Zig's cache leads to a library: its form has changed\n" unless $count;

# It changes with the form of manifests, and stands in Zig's own source.
sub read_key {
    my ($path) = @_;
    read_file($path) =~ /hasher_init: Hasher = Hasher\.init\(&\.\{([^}]*)\}/ or die "$path has no key\n";
    return unpack 'q<2', pack 'C*', map { hex } $1 =~ /0x([0-9a-f]{2})/g;
}

sub even_out {
    my ($text) = @_;
    my (@digests, @generated);
    my $place = 0;
    while ($place + 1 < length $text) {
        my $end = index $text, "\0", $place + 41;
        die "a manifest of Zig's cache ends early\n" if $end < 0;
        my $flags = ord substr $text, $place + 40, 1;
        die "a manifest goes by times: its form has changed\n" if $flags & 2;
        push @generated, substr $text, $place + 41, $end - $place - 41 if $flags >> 2 == 3;
        push @digests, substr $text, $place + 24, 16;
        substr($text, $place + 8, 16) = "\0" x 16;
        $place = $end + 1;
    }
    return ($text, \@generated, @digests);
}

sub rotate {
    my ($value, $bits) = @_;
    return ($value << $bits) | (($value >> (64 - $bits)) & ((1 << $bits) - 1));
}

sub hash {
    my $text = join '', @_;
    my @v = (
        $key[0] ^ 0x736f6d6570736575, $key[1] ^ 0x646f72616e646f6d ^ 0xee,
        $key[0] ^ 0x6c7967656e657261, $key[1] ^ 0x7465646279746573,
    );
    my $round = sub {
        $v[0] += $v[1]; $v[1] = rotate($v[1], 13) ^ $v[0]; $v[0] = rotate($v[0], 32);
        $v[2] += $v[3]; $v[3] = rotate($v[3], 16) ^ $v[2];
        $v[0] += $v[3]; $v[3] = rotate($v[3], 21) ^ $v[0];
        $v[2] += $v[1]; $v[1] = rotate($v[1], 17) ^ $v[2]; $v[2] = rotate($v[2], 32);
    };
    my $rest = length($text) % 8;
    my $padded = $text . "\0" x (7 - $rest) . chr(length($text) & 0xff);
    for my $word (unpack 'q<*', $padded) {
        $v[3] ^= $word;
        $round->();
        $v[0] ^= $word;
    }
    $v[2] ^= 0xee;
    $round->() for 1 .. 3;
    my $first = $v[0] ^ $v[1] ^ $v[2] ^ $v[3];
    $v[1] ^= 0xdd;
    $round->() for 1 .. 3;
    return pack 'q<2', $first, $v[0] ^ $v[1] ^ $v[2] ^ $v[3];
}

sub list_folder {
    my ($path) = @_;
    opendir my $folder, $path or die "$path: $!\n";
    my @names = sort grep { !/^\.\.?$/ } readdir $folder;
    return @names;
}

sub read_file {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!\n";
    local $/;
    return scalar <$file>;
}

sub write_file {
    my ($path, $text) = @_;
    open my $file, '>:raw', $path or die "$path: $!\n";
    print {$file} $text or die "$path: $!\n";
    close $file or die "$path: $!\n";
}
