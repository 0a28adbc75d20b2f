#!/usr/bin/perl
# Puts what the image has compiled ahead into a cache of Zig's, beside others that do the same.
#
#     zig-seed.pl ZIG CACHE
#
# Zig 0.17 takes a source file that it was given for unchanged by size, inode and time alone, and those differ from one
# container to the next. So they are written into the manifests here: see zig-keep.pl for their form.
use strict;
use warnings;

my ($zig, $cache) = @ARGV;
my $kept = "$zig/kept";
my %stats;
umask 0022;
mkdir $_ for $cache, map { "$cache/$_" } qw(b h o);
for my $part (qw(b o)) {
    for my $folder (list_folder("$kept/$part")) {
        my ($from, $to) = ("$kept/$part/$folder", "$cache/$part/$folder");
        mkdir $to;
        write_file("$to/$_", read_file("$from/$_")) for grep { !-e "$to/$_" } list_folder($from);
    }
}
write_file("$cache/h/$_", set_stats(read_file("$kept/h/$_"))) for list_folder("$kept/h");

sub set_stats {
    my ($text) = @_;
    my $place = 0;
    while ($place + 1 < length $text) {
        my $end = index $text, "\0", $place + 41;
        if (ord(substr $text, $place + 40, 1) >> 2 == 1) {
            my $path = substr $text, $place + 41, $end - $place - 41;
            $stats{$path} //= [stat "$zig/lib/$path"];
            my ($inode, $time) = @{ $stats{$path} }[1, 9];
            substr($text, $place + 8, 16) = pack 'Qq', $inode, $time * 1_000_000_000 if defined $time;
        }
        $place = $end + 1;
    }
    return $text;
}

sub list_folder {
    my ($path) = @_;
    opendir my $folder, $path or die "zig-seed: $path: $!\n";
    my @names = sort grep { !/^\.\.?$/ } readdir $folder;
    return @names;
}

sub read_file {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "zig-seed: $path: $!\n";
    local $/;
    return scalar <$file>;
}

# Under another name first: others may look for it meanwhile.
sub write_file {
    my ($path, $text) = @_;
    open my $file, '>:raw', "$path.$$" or die "zig-seed: $path: $!\n";
    print {$file} $text or die "zig-seed: $path: $!\n";
    close $file or die "zig-seed: $path: $!\n";
    rename "$path.$$", $path or die "zig-seed: $path: $!\n";
}
